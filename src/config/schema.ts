/**
 * Every option, once: type, default and what it is for. The example, the table in docs/configuration.md and the
 * shipped config.schema.json are held to this file by a test. `null` stands for a default that depends on the
 * environment (places.ts), or for "none" where the description says so.
 */
import { createRequire } from "node:module";
import type { validate } from "node-cron";
import * as v from "valibot";
import { BUILT_IN_TYPES, FIELD_KINDS } from "../pattern/schema.ts";
import { isZone } from "./zone.ts";

/** Node's timers take 32 bits; beyond that they fire at once. */
const MAX_TIMER_MS = 2_147_483_647;
/** A line is held as one string, and V8's strings end at about 512 MiB. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;
/** A hundred years. */
export const MAX_DAYS = 36_500;
const MAX_HOURS = 8_760;
const MiB = 1024 * 1024;

function integer(least: number, most = Number.MAX_SAFE_INTEGER) {
  const range = most === Number.MAX_SAFE_INTEGER ? `>= ${least}` : `from ${least} to ${most}`;
  const message = `expected an integer ${range}`;
  return v.pipe(
    v.number(message),
    v.safeInteger(message),
    v.minValue(least, message),
    v.maxValue(most, message),
  );
}

const PATH = "expected a path";
const path = v.pipe(
  v.string(PATH),
  v.nonEmpty(PATH),
  v.check((text) => !text.includes("\0"), "expected a path without NUL characters"),
);
const MODE = 'expected an octal mode as text, such as "0600"';
const mode = v.pipe(v.string(MODE), v.regex(/^0?[0-7]{3}$/, MODE));
const CRON = 'expected a cron expression, such as "17 3 * * *"';
/** Those that need no look: the parser of others is only loaded where somebody has set one. */
const SCHEDULES = { retention: "17 3 * * *", compression: "47 3 * * *" } as const;
const isCron = (text: string): boolean => {
  if (Object.values(SCHEDULES).some((known) => known === text)) return true;
  const parser: { validate: typeof validate } = createRequire(import.meta.url)("node-cron");
  return parser.validate(text);
};
const cron = v.pipe(v.string(CRON), v.check(isCron, CRON));
const ZONE = 'expected an IANA zone, such as "Europe/Berlin" or "UTC"';
const zone = v.pipe(v.string(ZONE), v.check(isZone, ZONE));
const TAG = "expected a tag: text that is not empty";
const tags = v.array(v.pipe(v.string(TAG), v.nonEmpty(TAG)), "expected a list of tags");

const TYPE_NAME = "expected a name of a-z, 0-9 and _ that begins with a letter, at most 64 characters";
const typeName = v.pipe(
  v.string(),
  v.regex(/^[a-z][a-z0-9_]{0,63}$/, TYPE_NAME),
  v.check((name) => !BUILT_IN_TYPES.includes(name), "expected a name other than those of the built-in types"),
);

const BACKENDS = ["filesystem", "sqlite"] as const;
const backend = v.picklist(BACKENDS, ({ input }) =>
  input === "postgres"
    ? "expected filesystem or sqlite (postgres is planned, but not there yet)"
    : "expected filesystem or sqlite",
);

function oneOf<const T extends readonly string[]>(values: T) {
  return v.picklist(values, `expected one of ${values.join(", ")}`);
}

function option<const S extends v.GenericSchema>(schema: S, standard: v.InferInput<S>, description: string) {
  return v.optional(v.pipe(schema, v.description(description)), standard);
}

function section<const E extends v.ObjectEntries>(entries: E, description: string) {
  return v.pipe(v.strictObject(entries), v.description(description));
}

const socket = (name: string, environment: string) =>
  option(v.nullable(path), null, `Path of the ${name} socket, at most 107 bytes. null: ${environment}.`);
const socketMode = (name: string) => option(mode, "0600", `Permissions of the ${name} socket, in octal.`);
const inRuntimeFolder = (name: string) => `${name}.sock in the runtime folder`;

const ingest = section(
  {
    socket: socket("ingest", inRuntimeFolder("ingest")),
    mode: socketMode("ingest"),
    maxLineBytes: option(
      integer(1, MAX_LINE_BYTES),
      MiB,
      "Longest line taken, in bytes without its newline; longer ones are rejected as line_too_long.",
    ),
    maxConnections: option(integer(1), 1024, "Connections held at the same time; more are closed at once."),
    unfinishedBytes: option(
      integer(1),
      32 * MiB,
      "Bytes of lines without their newline yet, over all connections; beyond it the line is rejected as overloaded.",
    ),
  },
  "Where patterns come in.",
);

const query = section(
  { socket: socket("query", inRuntimeFolder("query")), mode: socketMode("query") },
  "Where questions are asked: reading only.",
);

const control = section(
  { socket: socket("control", inRuntimeFolder("control")), mode: socketMode("control") },
  "Where the daemon is told what to do.",
);

const queue = section(
  {
    maxBatch: option(integer(1), 5_000, "Most patterns written to the store at once."),
    maxDelayMs: option(
      integer(0, MAX_TIMER_MS),
      0,
      "How long an idle writer waits for company before it writes, in milliseconds. 0: at once; while it is busy, batches grow anyway.",
    ),
    maxBytes: option(integer(1), 32 * MiB, "Bytes of patterns waiting in memory for the store."),
    spoolPath: option(
      v.nullable(path),
      null,
      "Folder that takes what the store can't take at the moment. null: spool in the state folder.",
    ),
    spoolBytes: option(integer(0), 1024 * MiB, "Most bytes in that folder."),
  },
  "Patterns on their way to the store.",
);

const outbox = section(
  {
    path: option(
      v.nullable(path),
      null,
      "Folder where emitters leave patterns when no daemon answers. null: outbox in the state folder.",
    ),
    maxBytes: option(
      integer(0),
      64 * MiB,
      "Most bytes in that folder. Emitters that may not list it leave as many bytes of its disk free, and a hundredth of it.",
    ),
  },
  "Patterns left for a daemon that was not there.",
);

const rejected = section(
  {
    path: option(
      v.nullable(path),
      null,
      "Folder where rejected lines are kept. null: rejected in the state folder.",
    ),
    maxBytes: option(integer(0), 256 * MiB, "Most bytes in that folder; the oldest file goes first."),
    days: option(integer(1, MAX_DAYS), 30, "Days for which rejected lines are kept."),
  },
  "Lines that were refused.",
);

const aside = section(
  {
    days: option(integer(1, MAX_DAYS), 90, "Days for which such files are kept."),
    maxBytes: option(integer(0), 256 * MiB, "Most bytes of such files; the oldest goes first."),
  },
  "What was kept aside: ends of writes that a crash cut short, damaged files, entries of the outbox that are none.",
);

const retention = section(
  {
    days: option(integer(1, MAX_DAYS), 90, "Days for which patterns are kept."),
    byType: option(
      v.record(v.string(), integer(1, MAX_DAYS), "expected an object of type to days"),
      {},
      "Days for single pattern types, which then count instead.",
    ),
    keepTags: option(tags, [], "Patterns with one of these tags are never deleted for their age."),
    maxBytes: option(
      v.nullable(integer(1)),
      null,
      "Most bytes of stored patterns; beyond it the oldest go. null: no limit.",
    ),
    schedule: option(cron, SCHEDULES.retention, "When old patterns are deleted: a cron expression."),
    graceHours: option(
      integer(0, MAX_HOURS),
      24,
      "Hours between the announcement of an unusually large or first deletion and the deletion.",
    ),
  },
  "How long patterns are kept.",
);

const compression = section(
  {
    afterDays: option(integer(0, MAX_DAYS), 30, "Whole days older than this many days are compressed."),
    schedule: option(cron, SCHEDULES.compression, "When old days are compressed: a cron expression."),
  },
  "Old days of the filesystem backend as gzip.",
);

const declaredType = v.strictObject({
  required: option(
    v.record(v.string(), oneOf(FIELD_KINDS), "expected an object of field to kind"),
    {},
    "Keys that data must have: string, integer, number, boolean, list or object.",
  ),
});

const log = section(
  {
    level: option(
      oneOf(["trace", "debug", "info", "warn", "error", "fatal", "silent"]),
      "info",
      "Least severe level that is logged.",
    ),
    file: option(
      v.nullable(path),
      null,
      "File that takes the log. null: standard output (systemd's journal).",
    ),
    maxBytes: option(
      integer(1),
      64 * MiB,
      "Size of that file, looked at hourly, beyond which it is moved to a second one with .1 at the end of its name, whose old content goes.",
    ),
  },
  "The daemon's log.",
);

export const configSchema = v.strictObject({
  backend: option(backend, "filesystem", "Kind of store: filesystem or sqlite."),
  path: option(
    v.nullable(path),
    null,
    "Where the store is; sqlite adds .db where there is no extension. null: patterns in the state folder.",
  ),
  durability: option(
    oneOf(["fsync", "os"]),
    "fsync",
    "What an acknowledged pattern survives: fsync a power cut, os the end of the process.",
  ),
  timezone: option(
    v.nullable(zone),
    null,
    "IANA zone for timestamps without one; fixed when the store is created. null: the host's.",
  ),
  scheduleTimezone: option(zone, "UTC", "IANA zone of the schedules."),
  ingest: v.optional(ingest, {}),
  query: v.optional(query, {}),
  control: v.optional(control, {}),
  queue: v.optional(queue, {}),
  outbox: v.optional(outbox, {}),
  rejected: v.optional(rejected, {}),
  aside: v.optional(aside, {}),
  retention: v.optional(retention, {}),
  compression: v.optional(compression, {}),
  collect: option(
    v.record(v.string(), v.boolean("expected true or false"), "expected an object of type to true or false"),
    {},
    "Pattern types to false: such patterns are taken and discarded.",
  ),
  types: option(
    v.record(typeName, declaredType, "expected an object of name to type"),
    {},
    "Further pattern types by name, each with the fields that its data must have.",
  ),
  metrics: v.optional(
    section(
      {
        textfile: option(
          v.nullable(path),
          null,
          "File that takes the metrics for Prometheus' node exporter. null: none.",
        ),
      },
      "Figures about the daemon.",
    ),
    {},
  ),
  log: v.optional(log, {}),
  shutdown: v.optional(
    section(
      {
        timeoutMs: option(
          integer(0, MAX_TIMER_MS),
          10_000,
          "Longest wait for open connections at shutdown, in milliseconds.",
        ),
      },
      "The end of the daemon.",
    ),
    {},
  ),
});

/** The file's content with every default filled in, nothing resolved yet. */
export type Settings = v.InferOutput<typeof configSchema>;
