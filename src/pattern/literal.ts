/** In bytes. */
const WORD = 4;

/** A text that is looked for in bytes, four at a time: half of what stands in a pattern are names that are known. */
export class Literal {
  readonly bytes: Uint8Array;
  readonly length: number;
  /** All but the last one. */
  readonly #words: Int32Array;
  /** The last four bytes, some of which may be in the word before, too. */
  readonly #last: number;

  constructor(text: string) {
    this.bytes = Buffer.from(text);
    this.length = this.bytes.length;
    const { buffer, byteOffset, byteLength } = this.bytes;
    const view = new DataView(buffer, byteOffset, byteLength);
    const words = Math.max(0, Math.ceil(byteLength / WORD) - 1);
    this.#words = Int32Array.from({ length: words }, (_, word) => view.getInt32(WORD * word, true));
    this.#last = byteLength < WORD ? 0 : view.getInt32(byteLength - WORD, true);
  }

  /** Whether it stands there. `view` shows the same bytes. */
  isAt(bytes: Uint8Array, view: DataView, start: number): boolean {
    const last = start + this.length - WORD;
    if (last < start || last + WORD > bytes.length) return this.#isSpelledAt(bytes, start);
    const words = this.#words;
    for (let word = 0; word < words.length; word += 1) {
      if (view.getInt32(start + WORD * word, true) !== words[word]) return false;
    }
    return view.getInt32(last, true) === this.#last;
  }

  #isSpelledAt(bytes: Uint8Array, start: number): boolean {
    for (let at = 0; at < this.length; at += 1) if (bytes[start + at] !== this.bytes[at]) return false;
    return true;
  }
}
