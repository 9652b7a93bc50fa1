/** When a job is to run next: a function of the schedule, of what ran before, and of now. Milliseconds since the epoch. */
import { createHash } from "node:crypto";
import type { Schedule } from "./schedule.ts";

const DAY_MS = 86_400_000;
const MAX_JITTER_MS = 600_000;

export interface Due {
  /** When it is to run: not before now. */
  readonly at: number;
  /** The moment of the schedule that it runs for; undefined if it is for another reason. */
  readonly slot: number | undefined;
}

/**
 * @param handled up to which moment the schedule has had its runs. All that was missed since is one run, now.
 * @param jitter from 0 to below 1: each machine runs a little later, and always as much.
 */
export function nextDue(schedule: Schedule, handled: number, now: number, jitter: number): Due | undefined {
  // A clock that was set back by a little runs nothing twice. By more, it was wrong when the last run was.
  const since = handled - now > DAY_MS ? now : handled;
  const missed = schedule.latest(now);
  const slot = missed !== undefined && missed > since ? missed : schedule.next(Math.max(since, now));
  if (slot === undefined) return undefined;
  return { slot, at: Math.max(now, slot + jitterAt(schedule, slot, jitter)) };
}

export function earlier(due: Due | undefined, other: Due | undefined): Due | undefined {
  if (!due || !other) return due ?? other;
  return other.at < due.at ? other : due;
}

/** The share of a machine and a job, from 0 to below 1. */
export function jitterOf(machine: string, job: string): number {
  return createHash("sha256").update(`${machine} ${job}`).digest().readUInt32BE() / 2 ** 32;
}

/** At most ten minutes, and never so much that a run comes near the next one. */
function jitterAt(schedule: Schedule, slot: number, jitter: number): number {
  const gap = (schedule.next(slot) ?? Number.POSITIVE_INFINITY) - slot;
  return Math.floor(jitter * Math.min(MAX_JITTER_MS, gap / 4));
}
