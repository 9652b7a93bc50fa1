/**
 * The shape of a pattern, once: types, messages, the fast predicate (predicate.ts) and the shipped JSON Schema
 * all come from here. A schema is a gate, never a transformation: what is stored is the received line.
 */
import * as v from "valibot";
import { isTimestamp, TIMESTAMP_FORM } from "./timestamp.ts";

/** Values as `JSON.parse` gives them: an object is neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Levels of nesting. */
export const MAX_DEPTH = 100;
const PATTERN_ID_MAX_CHARACTERS = 256;

const string = v.string("expected a string");
const boolean = v.boolean("expected true or false");
const integer = v.pipe(v.number("expected an integer"), v.safeInteger("expected an integer"));
const number = v.pipe(v.number("expected a number"), v.finite("expected a finite number"));
const list = v.array(v.unknown(), "expected a list");
const anyObject = v.custom<Record<string, unknown>>(isObject, "expected an object");
const count = v.pipe(
  v.number("expected an integer >= 0"),
  v.safeInteger("expected an integer >= 0"),
  v.minValue(0, "expected an integer >= 0"),
);
const amount = v.pipe(
  v.number("expected a number >= 0"),
  v.finite("expected a number >= 0"),
  v.minValue(0, "expected a number >= 0"),
);
const percent = v.pipe(
  v.number("expected a number from 0 to 100"),
  v.minValue(0, "expected a number from 0 to 100"),
  v.maxValue(100, "expected a number from 0 to 100"),
);
const strings = v.array(string, "expected a list of strings");

function storableText(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}
const tag = v.pipe(string, v.check(storableText, "expected text without NUL or lone surrogates"));

function isPatternId(text: string): boolean {
  if (text.length === 0 || !storableText(text)) return false;
  return text.length <= PATTERN_ID_MAX_CHARACTERS || [...text].length <= PATTERN_ID_MAX_CHARACTERS;
}
/**
 * What a check comes to for a text of nothing but printable ASCII: as many characters. Nearly every text is one, and
 * need not be made a string for it.
 */
export const PLAIN_TEXT: ReadonlyMap<unknown, { readonly min: number; readonly max: number }> = new Map([
  [storableText, { min: 0, max: Number.POSITIVE_INFINITY }],
  [isPatternId, { min: 1, max: PATTERN_ID_MAX_CHARACTERS }],
]);

const patternId = v.pipe(
  string,
  v.check(isPatternId, "expected 1 to 256 characters without NUL or lone surrogates"),
);

function object<const T extends v.ObjectEntries>(entries: T) {
  return v.pipe(anyObject, v.looseObject(entries));
}

export const taskCompletionData = object({
  task_type: string,
  agent: string,
  duration_ms: count,
  success: boolean,
  files_created: v.nullish(count),
  files_modified: v.nullish(count),
  tests_passed: v.nullish(count),
  tests_failed: v.nullish(count),
  lines_of_code: v.nullish(count),
  retry_count: v.nullish(count),
  coverage_percent: v.nullish(percent),
  error_message: v.nullish(string),
});

export const errorOccurrenceData = object({
  error_type: string,
  error_message: string,
  stack_trace: v.nullish(string),
  file_path: v.nullish(string),
  function_name: v.nullish(string),
  resolution: v.nullish(string),
  line_number: v.nullish(count),
  resolution_time_ms: v.nullish(count),
  similar_errors_count: v.nullish(count),
  auto_resolved: v.nullish(boolean),
  user_intervention: v.nullish(boolean),
});

export const agentUsageData = object({
  agent_type: string,
  task_type: string,
  success: boolean,
  duration_ms: count,
  tools_used: v.nullish(strings),
  retry_count: v.nullish(count),
  files_accessed: v.nullish(count),
  api_calls: v.nullish(count),
  tokens_used: v.nullish(count),
  parallel_tasks: v.nullish(count),
  memory_mb: v.nullish(amount),
  cpu_percent: v.nullish(amount),
});

export const userCorrectionData = object({
  original_output: string,
  corrected_output: string,
  correction_type: string,
  agent: string,
  task_type: v.nullish(string),
  correction_category: v.nullish(string),
  user_feedback: v.nullish(string),
  pattern_matched: v.nullish(string),
  severity: v.nullish(v.picklist(["minor", "moderate", "critical"], "expected minor, moderate or critical")),
});

export const patternContext = object({
  project_name: v.nullish(string),
  session_id: v.nullish(string),
  user_id: v.nullish(string),
  git_branch: v.nullish(string),
  git_commit: v.nullish(string),
  host: v.nullish(string),
  environment: v.nullish(
    v.picklist(["development", "staging", "production"], "expected development, staging or production"),
  ),
  timestamp: v.nullish(v.pipe(string, v.check(isTimestamp, `expected ${TIMESTAMP_FORM}`))),
  tags: v.nullish(v.array(tag, "expected a list of strings")),
  metadata: v.nullish(anyObject),
});

/** Everything but `data`, which depends on the type. */
function pattern<const D extends v.GenericSchema>(data: D) {
  return object({
    pattern_id: patternId,
    pattern_type: string,
    // Only whoever reads the instant knows whether there is one (parse.ts): this runs on every line.
    timestamp: string,
    data,
    context: v.nullish(patternContext),
    version: v.nullish(string),
  });
}

const DATA_SCHEMAS = {
  task_completion: taskCompletionData,
  error_occurrence: errorOccurrenceData,
  agent_usage: agentUsageData,
  user_correction: userCorrectionData,
} as const;

/** The names of the built-in types. */
export type PatternType = keyof typeof DATA_SCHEMAS;

export type TaskCompletionData = v.InferOutput<typeof taskCompletionData>;
export type ErrorOccurrenceData = v.InferOutput<typeof errorOccurrenceData>;
export type AgentUsageData = v.InferOutput<typeof agentUsageData>;
export type UserCorrectionData = v.InferOutput<typeof userCorrectionData>;
export type PatternContext = v.InferOutput<typeof patternContext>;

const KINDS = { string, integer, number, boolean, list, object: anyObject } as const;
export type FieldKind = keyof typeof KINDS;
export const FIELD_KINDS = [
  "string",
  "integer",
  "number",
  "boolean",
  "list",
  "object",
] as const satisfies FieldKind[];

/** What the configuration's `types` holds: a type's name to the fields that its `data` must have. */
export type DeclaredTypes = Readonly<
  Record<string, { readonly required: Readonly<Record<string, FieldKind>> }>
>;

export type PatternSchema = ReturnType<typeof pattern>;

/** What every pattern has, whatever its type. */
export const anyPattern = pattern(anyObject);

/** One schema for each type that this process knows; a Map, since a type may be called `constructor`. */
export function patternSchemas(declared: DeclaredTypes = {}): ReadonlyMap<string, PatternSchema> {
  const schemas = new Map<string, PatternSchema>();
  for (const [type, data] of Object.entries(DATA_SCHEMAS)) schemas.set(type, pattern(data));
  for (const [type, { required }] of Object.entries(declared)) {
    const entries = Object.entries(required).map(([key, kind]) => [key, KINDS[kind]] as const);
    schemas.set(type, pattern(object(Object.fromEntries(entries))));
  }
  return schemas;
}

export const BUILT_IN_TYPES: readonly string[] = Object.keys(DATA_SCHEMAS);
