/** What a line is between the stages: received, parsed in a batch, settled when its fate is durable. */
import type { LineBlock } from "./lines.ts";
import type { RejectedLine, Rejection, RejectionCode } from "./rejection.ts";

/** A line as it came, without its newline. */
export interface ReceivedLine {
  readonly bytes: Buffer;
  /** False for what stood behind the last newline when the sender finished. */
  readonly terminated: boolean;
}

/** What a sender puts into the queue: lines, or one that was refused before it could be held. */
export type Entry =
  | { readonly kind: "lines"; readonly block: LineBlock }
  | { readonly kind: "rejected"; readonly line: RejectedLine };

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
  /** `spooled`: durable on disk, and on its way into the store. */
  | { readonly kind: Outcome | "spooled" }
  | { readonly kind: "not_collected"; readonly type: string }
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
 * Whether lines are taken: `full` for a moment, while batches complete; `closed` when there is no place to keep them
 * for as long as that lasts.
 */
export type Admission = "open" | "full" | "closed";

/**
 * Lines since the daemon started, as `/health` gives them. In every snapshot: received + from_outbox + replayed +
 * spooled_at_start = stored + replaced + superseded + rejected + not_collected + spooled + damaged + in_flight.
 */
export interface LineCounts {
  readonly received: number;
  readonly from_outbox: number;
  /** Rejected lines that were sent again. */
  readonly replayed: number;
  /** What an earlier daemon had left in the spool. */
  readonly spooled_at_start: number;
  readonly stored: number;
  readonly replaced: number;
  readonly superseded: number;
  readonly rejected: number;
  readonly not_collected: number;
  /** In the spool now. */
  readonly spooled: number;
  /** Were in the spool and could not be read from it: what is left of them is kept aside. */
  readonly damaged: number;
  readonly in_flight: number;
  readonly rejected_by_code: Readonly<Partial<Record<RejectionCode, number>>>;
}
