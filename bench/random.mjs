/** Seeded random numbers (sfc32), so that every run sends the same bytes. Not for secrets. */
export class Random {
  #a;
  #b;
  #c;
  #counter = 1;

  /** @param {number} seed an integer of 32 bits */
  constructor(seed) {
    this.#a = seed | 0;
    this.#b = 0x9e3779b9;
    this.#c = 0x243f6a88;
    for (let round = 0; round < 15; round += 1) this.word();
  }

  /** An unsigned integer of 32 bits. */
  word() {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** @param {number} limit at most 2^32 @returns an integer from 0 to below `limit` */
  below(limit) {
    return Math.floor((this.word() / 2 ** 32) * limit);
  }

  /**
   * @template T
   * @param {readonly T[]} values
   * @returns {T}
   */
  pick(values) {
    return values[this.below(values.length)];
  }

  uuidV4() {
    const hex = [this.word(), this.word(), this.word(), this.word()]
      .map((word) => word.toString(16).padStart(8, "0"))
      .join("");
    const variant = (8 + (Number.parseInt(hex[16], 16) & 3)).toString(16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
  }
}
