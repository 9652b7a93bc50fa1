/** What a line is between the stages: put by a sender, settled when its fate is durable. */
import type { Pattern } from "./pattern.ts";
import type { RejectedLine, RejectionCode } from "./rejection.ts";

/**
 * What became of a saved pattern: `stored` (a new id), `replaced` (a newer version of a known id: a later instant,
 * or the same instant with other bytes), `superseded` (older than what is known, or the same: dropped).
 */
export type Outcome = "stored" | "replaced" | "superseded";

export type Entry =
  | { readonly kind: "pattern"; readonly pattern: Pattern }
  | { readonly kind: "rejected"; readonly line: RejectedLine }
  | { readonly kind: "not_collected" };

export type Settlement =
  | { readonly kind: Outcome | "not_collected" }
  | { readonly kind: "rejected"; readonly line: RejectedLine };

export interface Sender {
  /** Once for each of its lines, in the order in which they were put, when the line's fate is durable. */
  settle(settlement: Settlement): void;
  /** After the last line of a batch was settled. */
  flushed(): void;
}

/**
 * Lines since the daemon started. In every snapshot:
 * received = stored + replaced + superseded + rejected + not_collected + in_flight. Named as `/health` gives them.
 */
export interface LineCounts {
  readonly received: number;
  readonly stored: number;
  readonly replaced: number;
  readonly superseded: number;
  readonly rejected: number;
  readonly not_collected: number;
  readonly in_flight: number;
  readonly rejected_by_code: Readonly<Partial<Record<RejectionCode, number>>>;
}
