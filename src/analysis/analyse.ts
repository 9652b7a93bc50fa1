/** Patterns in, report out. */

import { frameOf, type Periods, type Span } from "./period.ts";
import { reportOf } from "./report.ts";
import type { Report } from "./report-schema.ts";
import { Tally } from "./tally.ts";
import type { TimelineFrame } from "./timeline.ts";

/** Called for each pattern: its type, its instant in milliseconds since the epoch, its stored line. */
export type Visit = (type: string, ms: number, line: string) => void;

/** Visits in short steps. False: what it visited counts for nothing, and it is to be begun again. */
export type Scan = Generator<void, boolean>;

/**
 * In short steps, between which others have their turn.
 *
 * @param scan visits the patterns of the period before, or of the period itself
 */
export function* analyse(
  periods: Periods,
  scan: (before: Span | undefined, visit: Visit) => Scan,
): Generator<void, Report> {
  const { before } = periods;
  const tally = yield* tallyOf(frameOf(periods), (visit) => scan(undefined, visit));
  const earlier =
    before && (yield* tallyOf(frameOf({ ...before, before: undefined }), (visit) => scan(before, visit)));
  return reportOf(periods, tally, earlier);
}

function* tallyOf(frame: TimelineFrame, scan: (visit: Visit) => Scan): Generator<void, Tally> {
  for (;;) {
    const tally = new Tally(frame);
    if (yield* scan((type, ms, line) => tally.add(type, ms, line))) return tally;
  }
}
