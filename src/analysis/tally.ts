/** Everything that is counted of the patterns of one period, in memory that does not grow with their number. */
import { Bounded, type Counted } from "./bounded.ts";
import { dataOf } from "./data.ts";
import { ErrorTally } from "./errors.ts";
import { textIn } from "./fields.ts";
import { Timeline, type TimelineFrame } from "./timeline.ts";
import { WorkTally } from "./work.ts";

export const SEVERITIES = ["critical", "moderate", "minor"] as const;
export type Severity = (typeof SEVERITIES)[number] | "unsaid";

export interface CorrectionEntry extends Counted {
  readonly severities: Record<Severity, number>;
}

export class Tally {
  total = 0;
  /** Lines that are no JSON: a damaged disk, or somebody's hand. */
  unreadable = 0;
  readonly types = new Bounded<Counted>((name) => ({ name, count: 0 }));
  readonly timeline: Timeline;
  readonly errors: ErrorTally;
  readonly work = new WorkTally();
  corrections = 0;
  readonly correctionTypes = new Bounded<CorrectionEntry>((name) => ({
    name,
    count: 0,
    severities: noSeverities(),
  }));
  readonly severities = noSeverities();

  constructor(frame: TimelineFrame) {
    this.timeline = new Timeline(frame);
    this.errors = new ErrorTally(frame);
  }

  /** In any order. `ms` since the epoch; `line`: as it is stored. */
  add(type: string, ms: number, line: string): void {
    this.total += 1;
    this.types.count(type);
    this.timeline.add(ms);
    const isKnown = isKnownType(type);
    if (!isKnown) return;
    const data = dataOf(line);
    if (!data) {
      this.unreadable += 1;
      return;
    }
    if (type === "task_completion") this.work.addTask(ms, data);
    else if (type === "agent_usage") this.work.addUse(ms, data);
    else if (type === "error_occurrence") this.errors.add(ms, data);
    else this.#addCorrection(data);
  }

  #addCorrection(data: Record<string, unknown>): void {
    const severity = SEVERITIES.find((known) => known === data.severity) ?? "unsaid";
    this.corrections += 1;
    this.severities[severity] += 1;
    this.correctionTypes.count(textIn(data, "correction_type") ?? "?").severities[severity] += 1;
    this.work.addCorrection(data);
  }
}

function isKnownType(type: string): boolean {
  return (
    type === "task_completion" ||
    type === "agent_usage" ||
    type === "error_occurrence" ||
    type === "user_correction"
  );
}

function noSeverities(): Record<Severity, number> {
  return { critical: 0, moderate: 0, minor: 0, unsaid: 0 };
}
