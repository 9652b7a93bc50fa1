/** What upkeep knows from one run to the next, as text. Moments are milliseconds since the epoch. */
import * as v from "valibot";
import { type Planned, REASONS } from "./announce.ts";
import type { ClockReading } from "./clock.ts";
import type { RetentionPolicy } from "./policy.ts";

export const JOBS = ["retention", "compression"] as const;
export type JobName = (typeof JOBS)[number];

/** `waiting`: the deletion is announced, nothing was deleted. `blocked`: the clock can't be believed. */
export const OUTCOMES = ["done", "waiting", "blocked", "stopped", "failed"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What a Date can hold. */
const moment = v.pipe(v.number(), v.minValue(-8.64e15), v.maxValue(8.64e15));
const count = v.number();
const policySchema = v.object({
  days: v.number(),
  byType: v.record(v.string(), v.number()),
  keepTags: v.array(v.string()),
  maxBytes: v.nullable(v.number()),
});
const plannedSchema = v.object({
  announced: moment,
  due: moment,
  reasons: v.array(v.picklist(REASONS)),
  policy: policySchema,
  patterns: count,
  byType: v.record(v.string(), count),
});
const runSchema = v.object({
  started: moment,
  ms: v.number(),
  reason: v.picklist(["scheduled", "asked"]),
  outcome: v.picklist(OUTCOMES),
  /** Patterns that went, or files that were compressed. */
  count,
  bytesBefore: count,
  bytesAfter: count,
  error: v.optional(v.string()),
});
const jobSchema = v.object({
  /** Up to which moment the schedule has had its runs. */
  handled: v.optional(moment),
  /** Which schedule that was. */
  schedule: v.optional(v.string()),
  last: v.optional(runSchema),
  /** Since the store was made: runs by outcome, and what they come to. */
  runs: v.optional(v.record(v.string(), count), {}),
  total: v.optional(count, 0),
});
const stateSchema = v.object({
  format: v.literal(1),
  clock: v.optional(v.object({ now: moment, uptime: v.number(), boot: v.string() })),
  settled: v.optional(policySchema),
  imported: v.optional(v.boolean(), false),
  planned: v.optional(plannedSchema),
  retention: v.optional(jobSchema, {}),
  compression: v.optional(jobSchema, {}),
});

export type Run = v.InferOutput<typeof runSchema>;
export type JobState = v.InferOutput<typeof jobSchema>;

export interface UpkeepState {
  readonly format: 1;
  readonly clock: ClockReading | undefined;
  readonly settled: RetentionPolicy | undefined;
  readonly imported: boolean;
  readonly planned: Planned | undefined;
  readonly retention: JobState;
  readonly compression: JobState;
}

const NO_RUNS: JobState = { runs: {}, total: 0 };
export const NO_STATE: UpkeepState = {
  format: 1,
  clock: undefined,
  settled: undefined,
  imported: false,
  planned: undefined,
  retention: NO_RUNS,
  compression: NO_RUNS,
};

/** A text that is damaged, or of a version to come, is none: then the next deletion is announced as the first. */
export function parseState(text: string | undefined): UpkeepState {
  if (text === undefined) return NO_STATE;
  try {
    return parsed(JSON.parse(text)) ?? NO_STATE;
  } catch {
    return NO_STATE;
  }
}

export function stateText(state: UpkeepState): string {
  return `${JSON.stringify(state, null, 2)}\n`;
}

/** After an import: what it brought is not to go unannounced. */
export function withImport(text: string | undefined): string {
  return stateText({ ...parseState(text), imported: true });
}

function parsed(value: unknown): UpkeepState | undefined {
  const { success, output } = v.safeParse(stateSchema, value);
  if (!success) return undefined;
  const { clock, settled, planned, ...rest } = output;
  return { ...rest, clock, settled, planned };
}
