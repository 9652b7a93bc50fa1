/**
 * Which ids may be known: split-block Bloom filters (a block is one cache line, in which each key has one bit in
 * each of eight parts), as https://parquet.apache.org/docs/file-format/bloomfilter/ describes them, but with blocks
 * of 512 bits instead of 256, since larger ones are filled more evenly: at twenty bits a key three unknown keys in ten
 * thousand look like known ones instead of four.
 */
import type { IdHash } from "../../pattern/id-hash.ts";

const PARTS = 8;
const WORDS = 2 * PARTS;
const SALTS = Int32Array.of(
  0x47b6137b,
  0x44974d91,
  0x8824ad5b,
  0xa2b7289d,
  0x705495c7,
  0x2df1424b,
  0x9efc4947,
  0x5c6bfb31,
);

export class BloomFilter {
  readonly capacity: number;
  readonly #blocks: number;
  readonly #words: Uint32Array;

  /** `capacity`: how many keys it has room for. */
  constructor(capacity: number, bitsPerKey: number) {
    this.capacity = capacity;
    this.#blocks = Math.ceil((capacity * bitsPerKey) / (32 * WORDS));
    this.#words = new Uint32Array(this.#blocks * WORDS);
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  add({ high, low }: IdHash): void {
    this.#add(high, low);
  }

  /** High and low of each; NO_ID is none. Returns how many there were. */
  addAll(hashes: Int32Array): number {
    let added = 0;
    for (let at = 0; at < hashes.length; at += 2) {
      const high = hashes[at] ?? 0;
      const low = hashes[at + 1] ?? 0;
      if (high === 0 && low === 0) continue;
      this.#add(high, low);
      added += 1;
    }
    return added;
  }

  has({ high, low }: IdHash): boolean {
    const block = this.#block(high);
    for (let part = 0; part < PARTS; part += 1) {
      const bit = bitOf(low, part);
      if (((this.#words[block + (bit >>> 5)] ?? 0) & (1 << bit)) === 0) return false;
    }
    return true;
  }

  #add(high: number, low: number): void {
    const block = this.#block(high);
    for (let part = 0; part < PARTS; part += 1) {
      const bit = bitOf(low, part);
      const word = block + (bit >>> 5);
      this.#words[word] = (this.#words[word] ?? 0) | (1 << bit);
    }
  }

  #block(high: number): number {
    return Math.floor(((high >>> 0) * this.#blocks) / 2 ** 32) * WORDS;
  }
}

/** Which of the block's bits is set in this part for a key: the upper six of 32 are the best mixed ones. */
function bitOf(low: number, part: number): number {
  return 64 * part + (Math.imul(low, SALTS[part] ?? 0) >>> 26);
}

/** A filter that grows: when the last part is full a larger one is begun, and no key has to be added again. */
export class GrowingFilter {
  readonly #bitsPerKey: number;
  readonly #parts: BloomFilter[];
  #total = 0;
  #inLast = 0;

  /** `capacity`: how many keys are expected. */
  constructor(capacity: number, bitsPerKey: number) {
    this.#bitsPerKey = bitsPerKey;
    this.#parts = [new BloomFilter(capacity, bitsPerKey)];
  }

  /** How many keys were added. */
  get size(): number {
    return this.#total;
  }

  get bytes(): number {
    return this.#parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  add(hash: IdHash): void {
    this.#last().add(hash);
    this.#inLast += 1;
    this.#total += 1;
  }

  /** Of a block: what they are beyond the room of the last part is next to nothing. */
  addAll(hashes: Int32Array): void {
    const added = this.#last().addAll(hashes);
    this.#inLast += added;
    this.#total += added;
  }

  has(hash: IdHash): boolean {
    for (const part of this.#parts) if (part.has(hash)) return true;
    return false;
  }

  /** With room for another key. */
  #last(): BloomFilter {
    const last = this.#parts.at(-1);
    if (last && this.#inLast < last.capacity) return last;
    // Each part adds its own share of keys that only look like known ones; half of a large one is empty for long.
    const next = new BloomFilter(Math.max(last?.capacity ?? 1, this.#total / 2), this.#bitsPerKey);
    this.#parts.push(next);
    this.#inLast = 0;
    return next;
  }
}
