/** What a line is between the stages: received, parsed in a batch, settled when its fate is durable. */
import type { RejectedLine, Rejection, RejectionCode } from "./rejection.ts";

/** A line as it came, without its newline. */
export interface ReceivedLine {
  readonly kind: "line";
  readonly bytes: Buffer;
  /** False for what stood behind the last newline when the sender finished. */
  readonly terminated: boolean;
}

/** What a sender puts into the queue: a line, or one that was refused before it could be held. */
export type Entry = ReceivedLine | { readonly kind: "rejected"; readonly line: RejectedLine };

/** Why a line of a parsed batch is not among its patterns. */
export type Refusal =
  | { readonly kind: "rejection"; readonly rejection: Rejection }
  | { readonly kind: "not_collected"; readonly type: string };

/**
 * What became of a saved pattern: `stored` (a new id), `replaced` (a newer version of a known id: a later instant,
 * or the same instant with other bytes), `superseded` (older than what is known, or the same: dropped).
 */
export type Outcome = "stored" | "replaced" | "superseded";

export type Settlement =
  | { readonly kind: Outcome | "not_collected" }
  | { readonly kind: "rejected"; readonly line: RejectedLine };

export interface Sender {
  /** Rejected lines of `replayed` ones are kept already. */
  readonly origin: "socket" | "outbox" | "replayed";
  /** Once for each of its lines, in the order in which they were put, when the line's fate is durable. */
  settle(settlement: Settlement): void;
  /** After the last line of a batch was settled. */
  flushed(): void;
}

/**
 * Lines since the daemon started. In every snapshot:
 * received + from_outbox + replayed = stored + replaced + superseded + rejected + not_collected + in_flight. Named as `/health`
 * gives them.
 */
export interface LineCounts {
  readonly received: number;
  readonly from_outbox: number;
  /** Rejected lines that were sent again. */
  readonly replayed: number;
  readonly stored: number;
  readonly replaced: number;
  readonly superseded: number;
  readonly rejected: number;
  readonly not_collected: number;
  readonly in_flight: number;
  readonly rejected_by_code: Readonly<Partial<Record<RejectionCode, number>>>;
}
