/** What the commands print with `--json`: promises, published in answers.schema.json. Types for who prints them. */
import * as v from "valibot";
import { reportSchema } from "../analysis/report-schema.ts";
import { REJECTION_CODES } from "../pattern/rejection.ts";
import { statsSchema } from "../store/answers.ts";
import { lookSchema } from "./doctor/finding.ts";
import { forgetSchema } from "./forget.ts";
import { jobSchema } from "./jobs.ts";
import { purgeSchema, replaySchema } from "./rejected-orders.ts";
import { statusSchema } from "./status.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.string();
const maybe = v.optional(text);

const said = {
  code: v.picklist(REJECTION_CODES),
  path: maybe,
  message: text,
  pattern_id: maybe,
};

const emitSchema = v.union([
  v.object({ receipt: v.object({ lines: count, stored: count, rejected: count, not_collected: count }) }),
  v.object({ outbox: v.object({ lines: count, folder: text, reason: text }) }),
]);
export type EmitAnswer = v.InferOutput<typeof emitSchema>;

const validateSchema = v.object({ reject: v.object({ file: text, line: count, ...said }) });
export type ValidateAnswer = v.InferOutput<typeof validateSchema>;

/** The code may be another version's. */
const keptSchema = v.object({
  record: text,
  /** Of what an import refused: where it came from. */
  source: maybe,
  time: text,
  ...said,
  code: text,
  line: maybe,
  line_base64: maybe,
  length: v.optional(count),
  sha256: maybe,
});

const place = { kind: text, file: text, line: v.optional(count), byte: v.optional(count), row: maybe };
const checkSchema = v.union([
  v.object({
    finding: v.object({
      ...place,
      found: text,
      expected: text,
      repair: maybe,
      advice: maybe,
      remark: v.boolean(),
    }),
  }),
  v.object({ repaired: v.object({ ...place, kept_as: maybe }) }),
  v.object({
    checked: v.object({ store: text, patterns: count, bytes: count, findings: count, remarks: count }),
  }),
]);
export type CheckAnswer = v.InferOutput<typeof checkSchema>;

/** `first`: at most the first 1,000. */
function listed<const Item extends v.ObjectEntries>(item: Item) {
  return v.object({ count, first: v.array(v.object(item)) });
}

const keptForeverSchema = v.object({
  days: v.optional(count),
  byType: v.optional(v.record(text, count)),
});

const importSchema = v.object({
  source: text,
  store: text,
  kept_in: maybe,
  timezone: text,
  records: count,
  imported: count,
  already_there: count,
  forgotten: v.optional(count),
  refused: listed({ source: text, ...said }),
  renamed: listed({ source: text, pattern_id: text, kept_as: text }),
  unreadable: listed({ file: text, message: text }),
  passed_over: listed({ file: text, message: text }),
  notes: v.array(v.object({ note: text, count, example: text })),
  /** `keep`: what to put into the configuration. */
  retention: v.optional(v.object({ older: count, keep: v.object({ retention: keptForeverSchema }) })),
});
export type ImportAnswer = v.InferOutput<typeof importSchema>;

const migrateSchema = v.object({
  from: text,
  to: text,
  patterns: count,
  written: count,
  sha256: text,
  timezone: text,
});
export type MigrateAnswer = v.InferOutput<typeof migrateSchema>;

const backupSchema = v.object({ backend: text, patterns: count, bytes: count, path: text });
export type BackupAnswer = v.InferOutput<typeof backupSchema>;

interface Answer {
  readonly schema: v.GenericSchema;
  /** One object a line, and any number of them. */
  readonly isList?: true;
}

/** By command, its words joined by `-`. */
export const ANSWERS = {
  analyze: { schema: reportSchema },
  backup: { schema: backupSchema },
  "check-store": { schema: checkSchema, isList: true },
  compress: { schema: jobSchema },
  "delete-old": { schema: jobSchema },
  doctor: { schema: lookSchema, isList: true },
  emit: { schema: emitSchema, isList: true },
  forget: { schema: forgetSchema },
  import: { schema: importSchema },
  migrate: { schema: migrateSchema },
  "rejected-list": { schema: keptSchema, isList: true },
  "rejected-purge": { schema: purgeSchema },
  "rejected-replay": { schema: replaySchema },
  "rejected-show": { schema: keptSchema },
  stats: { schema: statsSchema },
  status: { schema: statusSchema },
  validate: { schema: validateSchema, isList: true },
} as const satisfies Record<string, Answer>;
