/** Rejected lines on their way to where they are kept: in pieces, since what is written of a line takes more than it. */
import type { RejectedLine } from "../pattern/rejection.ts";
import type { Settlement } from "../pattern/settlement.ts";
import { achieve, type Condition, type Pause } from "./retry.ts";

/** At most so many lines, and about so many bytes, of which JSON may write six for one. */
const PIECE_LINES = 10_000;
const PIECE_BYTES = 1024 * 1024;

/** Durable when it resolves. */
export type KeepRejected = (lines: readonly RejectedLine[]) => Promise<void>;

/**
 * Keeps those among the settlements that are rejected, each piece until it is kept, which `condition` is told. False
 * if the pause is ended for good before.
 */
export async function keepAmong(
  settlements: Iterable<Settlement>,
  keep: KeepRejected,
  pause: Pause,
  condition: Pick<Condition, "failed" | "works">,
): Promise<boolean> {
  for (const piece of piecesOf(settlements)) {
    if (!(await achieve(() => keep(piece), pause, condition))) return false;
  }
  return true;
}

function* piecesOf(settlements: Iterable<Settlement>): Generator<readonly RejectedLine[]> {
  let piece: RejectedLine[] = [];
  let bytes = 0;
  for (const settlement of settlements) {
    if (settlement.kind !== "rejected") continue;
    piece.push(settlement.line);
    bytes += settlement.line.bytes.length;
    if (piece.length < PIECE_LINES && bytes < PIECE_BYTES) continue;
    yield piece;
    piece = [];
    bytes = 0;
  }
  if (piece.length > 0) yield piece;
}
