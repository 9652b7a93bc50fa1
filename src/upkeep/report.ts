/** What a run came to, or would come to: as the control socket and the command print it. */
import type { Share } from "../store/backend.ts";
import { dayText } from "../store/days.ts";
import type { JobName } from "./state.ts";

export interface JobReport {
  readonly job: JobName;
  readonly dry_run: boolean;
  /** Patterns that went, or would. Of a compression: that are in the files. */
  readonly patterns: number;
  /** Files that were compressed, or would be. */
  readonly files: number;
  /** What the store takes on disk. In a dry run both are the present. */
  readonly bytes_before: number;
  readonly bytes_after: number;
  readonly ms: number;
  /** By UTC day and type, as it was counted before. */
  readonly shares: readonly ReportedShare[];
}

export interface ReportedShare {
  /** `YYYY-MM-DD`. */
  readonly day: string;
  readonly type: string;
  readonly patterns: number;
  /** On disk, as near as that can be said. */
  readonly bytes: number;
}

export function reported(shares: readonly Share[]): ReportedShare[] {
  return shares.map(({ day, type, patterns, bytes }) => ({ day: dayText(day), type, patterns, bytes }));
}
