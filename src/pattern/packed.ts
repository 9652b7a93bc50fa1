/**
 * A batch as it crosses to another thread: the lines as they came, in one buffer that is moved and never copied, and
 * for each pattern a row of numbers that says where everything stands there. A text is made of it where one is needed.
 */
import { type Slot, slotOf } from "./shape.ts";

export interface PackedPatterns {
  readonly bytes: ArrayBuffer;
  /** Where the last pattern ends there: what stands behind it is of no account. */
  readonly end: number;
  /** One behind the other: see ROW. */
  readonly rows: Uint32Array<ArrayBuffer>;
  /** One for each pattern. */
  readonly instants: BigInt64Array<ArrayBuffer>;
  /** Types, and texts that do not stand in `bytes` as the scanner reads them. */
  readonly words: readonly string[];
}

/** Slots of the scanner whose texts a row holds: from the first one on, as they stand in `places`. */
export const ROW_SLOTS = 6;
/** Where in a row what stands. A text takes two numbers, its bounds in `bytes`; behind it all come tags and agents. */
export const ROW = {
  line: 0,
  hash: 2,
  type: 4,
  tags: 5,
  agents: 6,
  slots: 7,
  texts: 7 + 2 * ROW_SLOTS,
} as const;
export const ID = textAtSlot("pattern_id");
export const TIMESTAMP = textAtSlot("timestamp");
export const PROJECT = textAtSlot("context.project_name");
export const SESSION = textAtSlot("context.session_id");
export const HOST = textAtSlot("context.host");
/** In place of the first bound: the second is the number of a word. */
export const IS_WORD = 0xffff_ffff;

function textAtSlot(slot: Slot): number {
  return ROW.slots + 2 * slotOf(slot);
}

/** How many patterns there are. */
export function countOf({ instants }: PackedPatterns): number {
  return instants.length;
}

/** What can be moved to another thread instead of being copied. */
export function transferOf({ bytes, rows, instants }: PackedPatterns): ArrayBuffer[] {
  return [bytes, rows.buffer, instants.buffer];
}
