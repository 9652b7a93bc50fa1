import { describe, expect, test } from "vitest";
import { hashId } from "../src/pattern/id-hash.ts";
import { PatternParser } from "../src/pattern/parse.ts";
import { Zone } from "../src/pattern/zone.ts";
import { CONTEXT, DATA, DECLARED, whole } from "./pattern-fixture.ts";

const NOW = Date.parse("2026-06-01T12:00:00Z");
const parser = new PatternParser({
  zone: new Zone("Asia/Tokyo"),
  types: DECLARED,
  notCollected: new Set(["user_correction"]),
  now: () => NOW,
});
const parse = (text: string) => parser.parseLine(Buffer.from(text));

describe("what is indexed beside a line", () => {
  test("is bound from its parsed value", () => {
    const data = { ...DATA.task_completion, agent: "one", agent_type: "two" };
    const context = { ...CONTEXT, agent: "three", tags: ["b", "a", "b", ""], host: null };
    const line = JSON.stringify({
      ...whole("task_completion", context),
      data,
      timestamp: "2026-05-01 10:00:00.5",
    });
    expect(parse(line)).toEqual({
      kind: "pattern",
      pattern: {
        id: "x",
        hash: hashId("x"),
        type: "task_completion",
        timestamp: "2026-05-01 10:00:00.5",
        // In the store's zone, nine hours ahead.
        instant: BigInt(Date.parse("2026-05-01T01:00:00.500Z")) * 1_000_000n,
        tags: ["b", "a", ""],
        agents: ["one", "two", "three"],
        project: "p",
        session: "s",
        host: undefined,
        line: Buffer.from(line),
        lineBytes: Buffer.byteLength(line),
      },
    });
  });

  test("keeps an agent once, and only text", () => {
    const data = { ...DATA.task_completion, agent_type: "a" };
    const line = JSON.stringify({ ...whole("task_completion", { agent: 7 }), data });
    expect(parse(line)).toMatchObject({
      kind: "pattern",
      pattern: { agents: ["a"], tags: [], project: undefined },
    });
  });

  test("follows the last of duplicate keys, and escaped ones", () => {
    const line = JSON.stringify(whole("task_completion")).replace("{", '{"pattern_id":7,"data":7,');
    expect(parse(line.replace('"host"', '"h\\u006fst"'))).toMatchObject({ pattern: { id: "x", host: "h" } });
  });
});

describe("time", () => {
  test.each(["timestamp", "context.timestamp"])(
    "%s may be a day ahead of the clock, and not more",
    (path) => {
      const at = (timestamp: string) => {
        const pattern = whole("agent_usage", path === "timestamp" ? {} : { timestamp });
        return parse(JSON.stringify(path === "timestamp" ? { ...pattern, timestamp } : pattern));
      };
      expect(at("2026-06-02T12:00:00Z")).toMatchObject({ kind: "pattern" });
      expect(at("2026-06-02T21:00:00")).toMatchObject({ kind: "pattern" });
      expect(at("2026-06-02T12:00:00.000000001Z")).toEqual({
        kind: "rejection",
        rejection: {
          code: "invalid_field",
          path,
          patternId: "x",
          message:
            'expected at most 24 hours ahead of this machine\'s clock, got "2026-06-02T12:00:00.000000001Z"',
        },
      });
    },
  );
});

describe("a type that is switched off", () => {
  test("is settled unread", () => {
    expect(parse('{"pattern_type":"user_correction"}')).toEqual({
      kind: "not_collected",
      type: "user_correction",
    });
  });
});

describe("a rejection", () => {
  test("says where JSON is faulty, without a word of the line", () => {
    const message = (text: string) => {
      const parsed = parse(text);
      return parsed.kind === "rejection" ? parsed.rejection.message : parsed.kind;
    };
    expect(message('{"secret" 1}')).toBe("expected one JSON object, got a fault at character 11");
    for (const text of ['{"secret"', "secret", '"secret', "", '{"secret":tru}', '{"a":"secret\u0001"}']) {
      expect(message(text)).toMatch(/^expected one JSON object, got a /);
      expect(message(text)).not.toContain("secret");
    }
  });

  test("bounds what it repeats", () => {
    const long = `${"x".repeat(59)}🦊${"y".repeat(1000)}`;
    const parsed = parse(JSON.stringify({ ...whole("agent_usage"), pattern_id: long, pattern_type: long }));
    if (parsed.kind !== "rejection") throw new Error(`expected a rejection, got ${parsed.kind}`);
    const { message, patternId } = parsed.rejection;
    expect(message.length).toBeLessThan(250);
    expect(message.isWellFormed()).toBe(true);
    expect(patternId).toBe(Array.from(long).slice(0, 256).join(""));
  });

  test("names the first field at fault by its path", () => {
    const cases: readonly (readonly [object, string])[] = [
      [{ context: [] }, "context"],
      [{ context: { tags: "a" } }, "context.tags"],
      [{ context: { tags: [1] } }, "context.tags.0"],
      [{ context: { metadata: [] } }, "context.metadata"],
      [{ context: { timestamp: "x" } }, "context.timestamp"],
      [{ version: 1 }, "version"],
      [{ data: { ...DATA.agent_usage, tools_used: [null] } }, "data.tools_used.0"],
      [{ data: { ...DATA.agent_usage, memory_mb: -1 } }, "data.memory_mb"],
    ];
    for (const [fields, path] of cases) {
      const parsed = parse(JSON.stringify({ ...whole("agent_usage"), ...fields }));
      expect(parsed).toMatchObject({
        kind: "rejection",
        rejection: { code: "invalid_field", path, patternId: "x" },
      });
    }
    const infinite = JSON.stringify(whole("agent_usage")).replace("1.5", "1e400");
    expect(parse(infinite)).toMatchObject({ rejection: { code: "invalid_field", path: "data.memory_mb" } });
  });
});
