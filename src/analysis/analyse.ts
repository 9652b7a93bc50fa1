/** Patterns in, report out. */

import { frameOf, msOf, type Periods } from "./period.ts";
import { reportOf } from "./report.ts";
import type { Report } from "./report-schema.ts";
import { Tally } from "./tally.ts";

/** Called for each pattern: its type, its instant in milliseconds since the epoch, its stored line. */
export type Visit = (type: string, ms: number, line: string) => void;

/** Visits in short steps. False: what it visited counts for nothing, and it is to be begun again. */
export type Scan = Generator<void, boolean>;

/** In short steps, between which others have their turn. `scan`: of all patterns from an instant on. */
export function* analyse(
  periods: Periods,
  scan: (start: bigint | undefined, visit: Visit) => Scan,
): Generator<void, Report> {
  const { before } = periods;
  const startMs = periods.start === undefined ? Number.NEGATIVE_INFINITY : msOf(periods.start);
  for (;;) {
    const tally = new Tally(frameOf(periods));
    const earlier = before && new Tally(frameOf({ ...before, before: undefined }));
    const isWhole = yield* scan(before?.start ?? periods.start, (type, ms, line) =>
      (ms < startMs && earlier ? earlier : tally).add(type, ms, line),
    );
    if (isWhole) return reportOf(periods, tally, earlier);
  }
}
