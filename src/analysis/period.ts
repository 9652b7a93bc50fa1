/** What is looked at, and what it is compared with. */
import type { TimelineFrame } from "./timeline.ts";

const MS_NS = 1_000_000n;

/** Instants in nanoseconds since the epoch, inclusive. */
export interface Span {
  readonly start: bigint;
  readonly end: bigint;
}

export interface Periods {
  /** Undefined: from the oldest pattern on. */
  readonly start: bigint | undefined;
  /** Now, or what was asked for if that is earlier. */
  readonly end: bigint;
  /** As long, up to the start; undefined where there is no start. */
  readonly before: Span | undefined;
}

/** `start` and `end`: as asked for. */
export function periodsOf(start: bigint | undefined, end: bigint | undefined, now: Date): Periods {
  const present = BigInt(now.getTime()) * MS_NS;
  const until = end === undefined || end > present ? present : end;
  if (start === undefined || start > until) return { start, end: until, before: undefined };
  return { start, end: until, before: { start: start - (until - start) - 1n, end: start - 1n } };
}

export function frameOf({ start, end }: Periods): TimelineFrame {
  return { startMs: start === undefined ? undefined : msOf(start), endMs: msOf(end) };
}

export function msOf(instant: bigint): number {
  return Number(instant / MS_NS);
}
