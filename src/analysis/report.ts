import type { Counted } from "./bounded.ts";
import type { ErrorEntry } from "./errors.ts";
import { msOf, type Periods } from "./period.ts";
import { recommendations } from "./recommendations.ts";
import type { Report } from "./report-schema.ts";
import type { Tally } from "./tally.ts";
import { jobsOf, mostIn, type WorkEntry } from "./work.ts";

/** Of each list the most frequent. */
export const LISTED = 20;

/** @param before of the period before; undefined where there is none to compare with. */
export function reportOf(periods: Periods, tally: Tally, before: Tally | undefined): Report {
  const report = {
    period: {
      start: periods.start === undefined ? null : timeOf(msOf(periods.start)),
      end: timeOf(msOf(periods.end)),
    },
    before: periods.before
      ? { start: timeOf(msOf(periods.before.start)), end: timeOf(msOf(periods.before.end)) }
      : null,
    patterns: {
      total: tally.total,
      before: before?.total ?? null,
      unreadable: tally.unreadable,
      byType: Object.fromEntries(tally.types.ranked().map(({ name, count }) => [name, count])),
      bucketMs: tally.timeline.widthMs,
      timeline: tally.timeline.parts(tally.timeline.widthMs, tally.timeline.length),
    },
    errors: errorsOf(tally, before),
    agents: agentsOf(tally, before),
    tasks: tasksOf(tally, before),
    corrections: correctionsOf(tally, before),
    tools: tally.work.tools
      .ranked()
      .slice(0, LISTED)
      .map(({ name, count, failed }) => ({ tool: name, uses: count, failed })),
  };
  return { ...report, recommendations: recommendations(report) };
}

function errorsOf(tally: Tally, before: Tally | undefined): Report["errors"] {
  const { widthMs, length } = tally.timeline;
  const figures = (entry: ErrorEntry, earlier: Counted | undefined) => ({
    errorType: entry.errorType,
    count: entry.count,
    before: before ? (earlier?.count ?? 0) : null,
    resolved: entry.resolved,
    firstSeen: timeOf(entry.firstMs),
    lastSeen: timeOf(entry.lastMs),
    timeline: entry.timeline.parts(widthMs, length),
  });
  return {
    total: tally.errors.total,
    before: before?.errors.total ?? null,
    resolved: tally.errors.resolved,
    types: tally.errors.types
      .ranked()
      .slice(0, LISTED)
      .map((entry) => figures(entry, before?.errors.types.find(entry.name))),
    messages: tally.errors.messages
      .ranked()
      .slice(0, LISTED)
      .map((entry) => {
        const earlier = before?.errors.messages.find(entry.name);
        return {
          ...figures(entry, earlier),
          message: entry.message ?? "",
          example: entry.example,
          resolutions: resolutionsOf(entry, earlier),
        };
      }),
  };
}

/** What helped before the period is known in it, too. */
function resolutionsOf(
  entry: ErrorEntry,
  earlier: ErrorEntry | undefined,
): { text: string; count: number }[] {
  const all = new Map(entry.resolutions);
  for (const [text, count] of earlier?.resolutions ?? []) all.set(text, (all.get(text) ?? 0) + count);
  return [...all]
    .map(([text, count]) => ({ text, count }))
    .sort((a, b) => b.count - a.count || (a.text < b.text ? -1 : 1));
}

function agentsOf(tally: Tally, before: Tally | undefined): Report["agents"] {
  return tally.work.agents
    .ranked()
    .slice(0, LISTED)
    .map((entry) => ({
      agent: entry.name,
      ...workOf(entry, before?.work.agents.find(entry.name)),
      tokens: entry.tokens,
      corrections: entry.corrections,
    }));
}

/** Those that fail most often first. */
function tasksOf(tally: Tally, before: Tally | undefined): Report["tasks"] {
  return tally.work.tasks
    .ranked()
    .sort((a, b) => b.failed - a.failed)
    .slice(0, LISTED)
    .map((entry) => ({
      taskType: entry.name,
      ...workOf(entry, before?.work.tasks.find(entry.name)),
      lastFailed: entry.lastFailedMs === undefined ? null : timeOf(entry.lastFailedMs),
      failedMostWith: mostIn(entry.failedWith)?.name ?? null,
      reason: mostIn(entry.reasons)?.name ?? null,
    }));
}

function workOf(entry: WorkEntry, earlier: WorkEntry | undefined) {
  const quantiles = entry.durations.quantiles();
  return {
    tasks: entry.tasks,
    uses: entry.uses,
    failed: entry.failed,
    successRate: successRate(entry),
    successRateBefore: earlier ? successRate(earlier) : null,
    jobsBefore: earlier ? jobsOf(earlier) : null,
    medianMs: quantiles?.p50 ?? null,
    p95Ms: quantiles?.p95 ?? null,
    retries: entry.retries,
  };
}

function successRate(entry: WorkEntry): number | null {
  const jobs = jobsOf(entry);
  return jobs === 0 ? null : Math.round((1 - entry.failed / jobs) * 10_000) / 10_000;
}

function correctionsOf(tally: Tally, before: Tally | undefined): Report["corrections"] {
  return {
    total: tally.corrections,
    before: before?.corrections ?? null,
    bySeverity: tally.severities,
    types: tally.correctionTypes
      .ranked()
      .slice(0, LISTED)
      .map(({ name, count, severities }) => ({
        correctionType: name,
        count,
        before: before ? (before.correctionTypes.find(name)?.count ?? 0) : null,
        ...severities,
      })),
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
