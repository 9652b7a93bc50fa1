/** The report as it is answered: a promise (docs/analysis.md). Times are ISO texts in UTC. */
import * as v from "valibot";

const count = v.pipe(v.number(), v.integer());
const time = v.string();
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const counts = v.array(count);
const maybe = <T extends v.GenericSchema>(schema: T) => v.nullable(schema);

const spanSchema = v.object({ start: maybe(time), end: time });

const errorEntries = {
  errorType: v.string(),
  count,
  before: maybe(count),
  resolved: count,
  firstSeen: time,
  lastSeen: time,
  timeline: counts,
};

const workEntries = {
  tasks: count,
  uses: count,
  failed: count,
  successRate: maybe(share),
  successRateBefore: maybe(share),
  jobsBefore: maybe(count),
  medianMs: maybe(count),
  p95Ms: maybe(count),
  retries: v.number(),
};

const severities = { critical: count, moderate: count, minor: count, unsaid: count };

export const recommendationSchema = v.object({
  kind: v.picklist([
    "agent_failing",
    "agent_worse",
    "task_failing",
    "error_rising",
    "error_new",
    "error_unresolved",
    "error_known",
    "retries_many",
    "corrections_critical",
  ]),
  text: v.string(),
  figures: v.record(v.string(), v.union([v.number(), v.string()])),
});

export const reportSchema = v.object({
  period: spanSchema,
  before: maybe(spanSchema),
  patterns: v.object({
    total: count,
    before: maybe(count),
    unreadable: count,
    byType: v.record(v.string(), count),
    bucketMs: count,
    timeline: counts,
  }),
  errors: v.object({
    total: count,
    before: maybe(count),
    resolved: count,
    types: v.array(v.object(errorEntries)),
    messages: v.array(
      v.object({
        ...errorEntries,
        message: v.string(),
        example: v.string(),
        resolutions: v.array(v.object({ text: v.string(), count })),
      }),
    ),
  }),
  agents: v.array(v.object({ agent: v.string(), ...workEntries, tokens: v.number(), corrections: count })),
  tasks: v.array(
    v.object({
      taskType: v.string(),
      ...workEntries,
      lastFailed: maybe(time),
      failedMostWith: maybe(v.string()),
      reason: maybe(v.string()),
    }),
  ),
  corrections: v.object({
    total: count,
    before: maybe(count),
    bySeverity: v.object(severities),
    types: v.array(v.object({ correctionType: v.string(), count, before: maybe(count), ...severities })),
  }),
  tools: v.array(v.object({ tool: v.string(), uses: count, failed: count })),
  recommendations: v.array(recommendationSchema),
});

export type Report = v.InferOutput<typeof reportSchema>;
export type Recommendation = v.InferOutput<typeof recommendationSchema>;
