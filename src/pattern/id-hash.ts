/**
 * A pattern's id in 64 bits, two signed halves: of all numbers these take no memory of their own. Two ids may share them:
 * only a line itself tells whose it is.
 */
export interface IdHash {
  readonly high: number;
  readonly low: number;
}

/** Stands for a line that was put into a segment by hand and is no pattern; no id has it. */
export const NO_ID: IdHash = { high: 0, low: 0 };

const FIRST_HIGH = 0xdeadbeef | 0;
const FIRST_LOW = 0x41c6ce57;
const HIGH_FACTOR = 0x9e3779b1;
const LOW_FACTOR = 0x5f356495;

/** Two multiplicative 32-bit hashes over the UTF-16 units, mixed into each other at the end (as in MurmurHash3). */
export function hashId(id: string): IdHash {
  let high = FIRST_HIGH;
  let low = FIRST_LOW;
  for (let i = 0; i < id.length; i += 1) {
    const unit = id.charCodeAt(i);
    high = Math.imul(high ^ unit, HIGH_FACTOR);
    low = Math.imul(low ^ unit, LOW_FACTOR);
  }
  return mixed(high, low);
}

/** The same of an id in ASCII. */
export function hashOfBytes(bytes: Uint8Array, start: number, end: number): IdHash {
  let high = FIRST_HIGH;
  let low = FIRST_LOW;
  for (let at = start; at < end; at += 1) {
    const unit = bytes[at] ?? 0;
    high = Math.imul(high ^ unit, HIGH_FACTOR);
    low = Math.imul(low ^ unit, LOW_FACTOR);
  }
  return mixed(high, low);
}

function mixed(fromHigh: number, fromLow: number): IdHash {
  const high =
    Math.imul(fromHigh ^ (fromHigh >>> 16), 0x85ebca6b) ^ Math.imul(fromLow ^ (fromLow >>> 13), 0xc2b2ae35);
  const low = Math.imul(fromLow ^ (fromLow >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return { high, low: high === 0 && low === 0 ? 1 : low };
}

/** 53 bits of it, which a number holds exactly. */
export function numberOf({ high, low }: IdHash): number {
  return high * 2 ** 21 + (low >>> 11);
}

/** The hash of line `line` in columns of high and low. */
export function hashAt(hashes: Int32Array, line: number): IdHash {
  const high = hashes[2 * line] ?? 0;
  const low = hashes[2 * line + 1] ?? 0;
  return high === 0 && low === 0 ? NO_ID : { high, low };
}
