/** Ids that a batch has more than once, and which of their versions the batch itself replaces. */
import type { Pattern } from "../../pattern/pattern.ts";
import { BloomFilter } from "./bloom.ts";

/** Of 100,000 ids hardly one looks like another one of the batch. */
const BITS_PER_ID = 32;

export class Doubles {
  readonly #hashes = new Set<string>();
  readonly #passing = new Set<Pattern>();

  constructor(patterns: readonly Pattern[]) {
    const seen = new BloomFilter(patterns.length, BITS_PER_ID);
    for (const { hash } of patterns) {
      if (seen.has(hash)) this.#hashes.add(`${hash.high} ${hash.low}`);
      seen.add(hash);
    }
    if (this.#hashes.size === 0) return;
    const newest = new Map<string, Pattern>();
    for (const pattern of patterns) {
      if (!this.has(pattern)) continue;
      const last = newest.get(pattern.id);
      if (last && !isNewer(pattern, last)) continue;
      if (last) this.#passing.add(last);
      newest.set(pattern.id, pattern);
    }
  }

  /** Whether there may be another pattern with its id. */
  has({ hash }: Pattern): boolean {
    return this.#hashes.size > 0 && this.#hashes.has(`${hash.high} ${hash.low}`);
  }

  /** Whether a later one of the batch replaces it. */
  isPassing(pattern: Pattern): boolean {
    return this.#passing.has(pattern);
  }
}

/** Whether a pattern replaces the last known version of it: a later instant, or the same one with other bytes. */
export function isNewer(
  pattern: Pick<Pattern, "instant" | "line">,
  last: Pick<Pattern, "instant" | "line">,
): boolean {
  if (pattern.instant !== last.instant) return pattern.instant > last.instant;
  return Buffer.compare(last.line, pattern.line) !== 0;
}
