/** Where the newest version of each known id stands: an open-addressed table of 64-bit hashes, 20 bytes a slot. */

export interface Location {
  /** The segment's number in the registry of segments. */
  readonly segment: number;
  readonly offset: number;
}

export interface IdHash {
  readonly high: number;
  readonly low: number;
}

const SMALLEST = 1024;
const FULLEST = 0.6;

export class IdTable {
  #capacity = SMALLEST;
  #size = 0;
  #high = new Uint32Array(SMALLEST);
  #low = new Uint32Array(SMALLEST);
  /** The segment's number plus one; 0 is an empty slot. */
  #segment = new Uint32Array(SMALLEST);
  #offset = new Float64Array(SMALLEST);

  get size(): number {
    return this.#size;
  }

  /**
   * Where a line with this hash stands for which `holds` says that it has the id that is looked for: two ids
   * may share a hash, and only the line itself tells.
   */
  find(hash: IdHash, holds: (location: Location) => boolean): Location | undefined {
    for (let at = this.#first(hash); this.#segment[at] !== 0; at = (at + 1) & (this.#capacity - 1)) {
      if (this.#high[at] !== hash.high || this.#low[at] !== hash.low) continue;
      const location = { segment: (this.#segment[at] ?? 0) - 1, offset: this.#offset[at] ?? 0 };
      if (holds(location)) return location;
    }
    return undefined;
  }

  /** Adds a location, in the place of `old` if given. */
  set(hash: IdHash, location: Location, old?: Location): void {
    if (this.#size + 1 > this.#capacity * FULLEST) this.#rebuild(this.#capacity * 2);
    let at = this.#first(hash);
    for (; this.#segment[at] !== 0; at = (at + 1) & (this.#capacity - 1)) {
      if (old && this.#segment[at] === old.segment + 1 && this.#offset[at] === old.offset) break;
    }
    if (this.#segment[at] === 0) this.#size += 1;
    this.#high[at] = hash.high;
    this.#low[at] = hash.low;
    this.#segment[at] = location.segment + 1;
    this.#offset[at] = location.offset;
  }

  /**
   * Where the lines of one segment stand now that it was rewritten. Those that `offsetOf` does not know stay
   * with the old segment, until `purge`.
   */
  move(from: number, to: number, offsetOf: (offset: number) => number | undefined): void {
    for (let at = 0; at < this.#capacity; at += 1) {
      if (this.#segment[at] !== from + 1) continue;
      const offset = offsetOf(this.#offset[at] ?? 0);
      if (offset === undefined) continue;
      this.#segment[at] = to + 1;
      this.#offset[at] = offset;
    }
  }

  /** Forgets the lines of segments that are gone; returns how many those were. */
  purge(isGone: (segment: number) => boolean): number {
    const before = this.#size;
    let kept = 0;
    for (const segment of this.#segment) if (segment !== 0 && !isGone(segment - 1)) kept += 1;
    if (kept === before) return 0;
    let capacity = SMALLEST;
    while (kept + 1 > capacity * FULLEST) capacity *= 2;
    this.#rebuild(capacity, isGone);
    return before - kept;
  }

  #first(hash: IdHash): number {
    return hash.low & (this.#capacity - 1);
  }

  #rebuild(capacity: number, isGone: (segment: number) => boolean = () => false): void {
    const [high, low, segment, offset] = [this.#high, this.#low, this.#segment, this.#offset];
    this.#capacity = capacity;
    this.#size = 0;
    this.#high = new Uint32Array(this.#capacity);
    this.#low = new Uint32Array(this.#capacity);
    this.#segment = new Uint32Array(this.#capacity);
    this.#offset = new Float64Array(this.#capacity);
    for (let at = 0; at < segment.length; at += 1) {
      if (segment[at] === 0 || isGone((segment[at] ?? 0) - 1)) continue;
      const hash = { high: high[at] ?? 0, low: low[at] ?? 0 };
      this.set(hash, { segment: (segment[at] ?? 0) - 1, offset: offset[at] ?? 0 });
    }
  }
}

/** Two multiplicative 32-bit hashes over the UTF-16 units, mixed into each other at the end (as in MurmurHash3). */
export function hashId(id: string): IdHash {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < id.length; i += 1) {
    const unit = id.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x9e3779b1);
    low = Math.imul(low ^ unit, 0x5f356495);
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return { high: high >>> 0, low: low >>> 0 };
}
