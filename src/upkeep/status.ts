/** What `/health` says of the jobs. Times are ISO 8601, UTC. */
import type { Planned, Reason } from "./announce.ts";
import type { JobName, Outcome, Run } from "./state.ts";
import type { Progress } from "./work.ts";

export interface JobStatus {
  readonly schedule: string;
  /** When it runs next; null where its schedule never comes. */
  readonly next: string | null;
  readonly running: { readonly started: string; readonly done: number; readonly total: number } | null;
  readonly last: RunStatus | null;
  /** Runs so far, by outcome, and what they removed or compressed in all. */
  readonly runs: Readonly<Partial<Record<Outcome, number>>>;
  readonly total: number;
}

export interface RunStatus {
  readonly started: string;
  readonly ms: number;
  readonly reason: "scheduled" | "asked";
  readonly outcome: Outcome;
  /** Patterns that went, or files that were compressed. */
  readonly count: number;
  readonly bytes_before: number;
  readonly bytes_after: number;
  readonly error?: string;
}

/** A deletion that is announced. */
export interface PlannedStatus {
  readonly due: string;
  readonly reasons: readonly Reason[];
  readonly patterns: number;
  readonly by_type: Readonly<Record<string, number>>;
}

export type JobsStatus = Readonly<Record<JobName, JobStatus>> & {
  readonly retention: JobStatus & { readonly planned: PlannedStatus | null };
};

export function runStatus({ started, bytesBefore, bytesAfter, ...run }: Run): RunStatus {
  const { error, ...rest } = run;
  return {
    started: timeText(started),
    ...rest,
    bytes_before: bytesBefore,
    bytes_after: bytesAfter,
    ...(error === undefined ? {} : { error }),
  };
}

export function plannedStatus({ due, reasons, patterns, byType }: Planned): PlannedStatus {
  return { due: timeText(due), reasons, patterns, by_type: byType };
}

export function runningStatus(started: number, { done, total }: Progress): JobStatus["running"] {
  return { started: timeText(started), done, total };
}

export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
