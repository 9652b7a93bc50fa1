/** Which patterns are old: by their instant, their type and their tags. */
import type { Exceptions } from "./backend.ts";

const MAX_INSTANT = 2n ** 63n - 1n;
const MIN_INSTANT = -(2n ** 63n);

export class Cutoffs {
  /** Nanoseconds since the epoch, as all cutoffs are; within 64 bits. */
  readonly standard: bigint;
  readonly byType: ReadonlyMap<string, bigint>;
  readonly keepTags: readonly string[];
  readonly #kept: ReadonlySet<string>;

  constructor(standard: bigint, { byType = {}, keepTags = [] }: Exceptions = {}) {
    this.standard = int64(standard);
    this.byType = new Map(Object.entries(byType).map(([type, cutoff]) => [type, int64(cutoff)]));
    this.keepTags = keepTags;
    this.#kept = new Set(keepTags);
  }

  of(type: string): bigint {
    return this.byType.get(type) ?? this.standard;
  }

  /** No pattern that is at least as new is old. */
  get latest(): bigint {
    return [...this.byType.values()].reduce((latest, one) => (one > latest ? one : latest), this.standard);
  }

  /** Whether a pattern's age alone says what becomes of it. */
  get isPlain(): boolean {
    return this.byType.size === 0 && this.#kept.size === 0;
  }

  get hasKeepTags(): boolean {
    return this.#kept.size > 0;
  }

  isHeld(tags: readonly string[]): boolean {
    return this.#kept.size > 0 && tags.some((tag) => this.#kept.has(tag));
  }
}

function int64(instant: bigint): bigint {
  if (instant > MAX_INSTANT) return MAX_INSTANT;
  return instant < MIN_INSTANT ? MIN_INSTANT : instant;
}
