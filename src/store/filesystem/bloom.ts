/**
 * Which ids may be known: split-block Bloom filters (eight words a block, one bit in each, so that a look-up costs
 * one cache line), as https://parquet.apache.org/docs/file-format/bloomfilter/ describes them. With ten bits a key
 * about one unknown key in a hundred looks like a known one, with twelve one in two hundred.
 */
import type { IdHash } from "../../pattern/id-hash.ts";

const WORDS = 8;
const SALTS = [
  0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
] as const;

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

  add(hash: IdHash): void {
    let at = this.#block(hash);
    for (const salt of SALTS) {
      this.#words[at] = (this.#words[at] ?? 0) | (1 << (Math.imul(hash.low, salt) >>> 27));
      at += 1;
    }
  }

  has(hash: IdHash): boolean {
    let at = this.#block(hash);
    for (const salt of SALTS) {
      if (((this.#words[at] ?? 0) & (1 << (Math.imul(hash.low, salt) >>> 27))) === 0) return false;
      at += 1;
    }
    return true;
  }

  #block(hash: IdHash): number {
    return Math.floor((hash.high * this.#blocks) / 2 ** 32) * WORDS;
  }
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
    let last = this.#parts.at(-1);
    if (!last || this.#inLast >= last.capacity) {
      // As large as all before: each part adds its own share of keys that only look like known ones.
      last = new BloomFilter(Math.max(last?.capacity ?? 1, this.#total), this.#bitsPerKey);
      this.#parts.push(last);
      this.#inLast = 0;
    }
    last.add(hash);
    this.#inLast += 1;
    this.#total += 1;
  }

  has(hash: IdHash): boolean {
    return this.#parts.some((part) => part.has(hash));
  }
}
