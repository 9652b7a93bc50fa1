import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../src/config/load.ts";
import { PatterndError } from "../src/errors.ts";
import { ConfigFixture, ENV } from "./config-fixture.ts";

const at = new ConfigFixture();

describe("keys", () => {
  test("that are unknown are refused by name, all of them", () => {
    const content = JSON.parse(
      '{"ingest":{"max_line_bytes":1,"port":80},"Retention":{},"toString":1,"__proto__":{}}',
    );
    expect(at.faults(content)).toEqual([
      "ingest.max_line_bytes: unknown key, did you mean maxLineBytes?",
      "ingest.port: unknown key, expected one of socket, mode, maxLineBytes, maxConnections, unfinishedBytes",
      "Retention: unknown key, did you mean retention?",
      expect.stringMatching(/^toString: unknown key, expected one of backend, path, /),
      expect.stringMatching(/^__proto__: unknown key, expected one of backend, path, /),
    ]);
    expect(at.faults({ log: { "le\nvel": 1 } })).toEqual([
      'log."le\\nvel": unknown key, did you mean level?',
    ]);
    expect(at.faults({ types: { note: { optional: {} } } })).toEqual([
      "types.note.optional: unknown key, expected one of required",
    ]);
  });

  test.each([
    ["bakend", "backend"],
    ["ingset", "ingest"],
    ["qeue", "queue"],
    ["durabilitty", "durability"],
    ["tipes", "types"],
  ])("%s is one slip away from %s", (slip, meant) => {
    expect(at.faults({ [slip]: {} })).toEqual([`${slip}: unknown key, did you mean ${meant}?`]);
  });

  test("may be comments on every level", () => {
    const note = { $schema: 1, "x-note": { any: ["thing"] } };
    const config = at.load({
      ...note,
      ingest: { ...note },
      collect: { ...note },
      retention: { ...note, byType: { ...note } },
      types: { ...note, review: { ...note, required: { ...note, by: "string" } } },
    });
    expect(config.types).toEqual({ review: { required: { by: "string" } } });
    expect(config).toEqual(at.load({ types: { review: { required: { by: "string" } } } }));
  });
});

describe("values", () => {
  test.each([
    [
      { backend: "postgres" },
      'backend: expected filesystem or sqlite (postgres is planned, but not there yet), got "postgres"',
    ],
    [{ backend: "mysql" }, 'backend: expected filesystem or sqlite, got "mysql"'],
    [{ path: 5 }, "path: expected a path, got 5"],
    [{ path: "" }, 'path: expected a path, got ""'],
    [{ path: "a\0b" }, 'path: expected a path without NUL characters, got "a\\u0000b"'],
    [{ durability: "none" }, 'durability: expected one of fsync, os, got "none"'],
    [
      { timezone: "Mars/Olympus" },
      'timezone: expected an IANA zone, such as "Europe/Berlin" or "UTC", got "Mars/Olympus"',
    ],
    [
      { scheduleTimezone: "+01:00" },
      'scheduleTimezone: expected an IANA zone, such as "Europe/Berlin" or "UTC", got "+01:00"',
    ],
    [
      { scheduleTimezone: null },
      'scheduleTimezone: expected an IANA zone, such as "Europe/Berlin" or "UTC", got null',
    ],
    [{ ingest: [] }, "ingest: expected an object, got a list"],
    [{ ingest: { mode: 600 } }, 'ingest.mode: expected an octal mode as text, such as "0600", got 600'],
    [
      { control: { mode: "0680" } },
      'control.mode: expected an octal mode as text, such as "0600", got "0680"',
    ],
    [{ ingest: { maxLineBytes: 0 } }, "ingest.maxLineBytes: expected an integer from 1 to 268435456, got 0"],
    [{ queue: { maxBatch: 1.5 } }, "queue.maxBatch: expected an integer >= 1, got 1.5"],
    [{ queue: { maxBytes: "32M" } }, 'queue.maxBytes: expected an integer >= 1, got "32M"'],
    [
      { queue: { maxDelayMs: 3e9 } },
      "queue.maxDelayMs: expected an integer from 0 to 2147483647, got 3000000000",
    ],
    [{ retention: { days: 0 } }, "retention.days: expected an integer from 1 to 36500, got 0"],
    [{ retention: { keepTags: "a" } }, 'retention.keepTags: expected a list of tags, got "a"'],
    [
      { retention: { keepTags: ["a", ""] } },
      'retention.keepTags.1: expected a tag: text that is not empty, got ""',
    ],
    [
      { retention: { schedule: "nightly" } },
      'retention.schedule: expected a cron expression, such as "17 3 * * *", got "nightly"',
    ],
    [
      { compression: { schedule: "0 25 * * *" } },
      'compression.schedule: expected a cron expression, such as "17 3 * * *", got "0 25 * * *"',
    ],
    [
      { log: { level: "loud" } },
      'log.level: expected one of trace, debug, info, warn, error, fatal, silent, got "loud"',
    ],
    [{ collect: { task_completion: "no" } }, 'collect.task_completion: expected true or false, got "no"'],
    [
      { collect: { review: false } },
      "collect.review: unknown pattern type, expected one of task_completion, error_occurrence, agent_usage, user_correction, or one declared in types",
    ],
    [
      { retention: { byType: { review: 1 } } },
      "retention.byType.review: unknown pattern type, expected one of task_completion, error_occurrence, agent_usage, user_correction, or one declared in types",
    ],
    [
      { types: { Review: { required: {} } } },
      'types.Review: expected a name of a-z, 0-9 and _ that begins with a letter, at most 64 characters, got "Review"',
    ],
    [
      { types: { agent_usage: { required: {} } } },
      'types.agent_usage: expected a name other than those of the built-in types, got "agent_usage"',
    ],
    [
      { types: { review: { required: { by: "text" } } } },
      'types.review.required.by: expected one of string, integer, number, boolean, list, object, got "text"',
    ],
    [
      { types: { constructor: { required: {} } } },
      "types.constructor: expected another name, constructor is reserved",
    ],
  ])("%j is refused", (content, fault) => {
    expect(at.faults(content)).toEqual([fault]);
  });

  test("all faults are told at once", () => {
    const content = {
      port: 1,
      path: 5,
      ingest: { mode: 600, maxConnections: -1 },
      collect: { review: true },
    };
    expect(at.faults(content).map((line) => line.split(":")[0])).toEqual([
      "port",
      "path",
      "ingest.mode",
      "ingest.maxConnections",
      "collect.review",
    ]);
  });
});

test("whatever JSON stands under the known keys, it loads or is refused line by line", () => {
  const keys = Object.keys(loadConfig({ env: ENV })).filter((key) => key !== "file");
  const section = fc.dictionary(
    fc.oneof(fc.constantFrom("socket", "path", "days", "byType"), fc.string()),
    fc.jsonValue(),
  );
  const content = fc.dictionary(fc.constantFrom(...keys), fc.oneof(fc.jsonValue(), section));
  fc.assert(
    fc.property(content, (value) => {
      try {
        expect(at.load(value).file).toBe(at.file);
      } catch (error) {
        if (!(error instanceof PatterndError)) throw error;
        expect(error.code).toBe("config_invalid");
        for (const line of error.message.split("\n")) expect(line.startsWith(`${at.file}: `)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});
