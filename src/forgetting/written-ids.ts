/** Ids as they stand in what is no JSON any more, or only a part of it. */

/** Such text is written in JSON as it is, and in JSON within JSON. */
const PLAIN = /^[ !#-[\]-~]*$/;
const QUOTE = '"';
const BACKSLASH = 92;

export class WrittenIds {
  readonly #ids: ReadonlySet<string>;
  /** The others between their quotes: in JSON, and where that is a text in JSON itself. A row kept aside is a line in a line. */
  readonly #escaped = [new Set<string>(), new Set<string>()] as const;
  /** What one takes in bytes, with its quotes, at most. */
  readonly longest: number;

  constructor(ids: ReadonlySet<string>) {
    this.#ids = ids;
    let longest = 0;
    for (const id of ids) {
      let bytes = id.length;
      if (!PLAIN.test(id)) {
        const once = JSON.stringify(id).slice(1, -1);
        const twice = JSON.stringify(once).slice(1, -1);
        this.#escaped[0].add(bytesOf(once));
        this.#escaped[1].add(bytesOf(twice));
        bytes = Buffer.byteLength(twice);
      }
      longest = Math.max(longest, bytes);
    }
    this.longest = longest + 2 * '\\"'.length;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Whether any stands there. Takes about as long however many ids there are. */
  standIn(bytes: Buffer): boolean {
    // A character for each byte: bytes that are no UTF-8 stay what they are.
    const text = bytes.toString("latin1");
    const ends: [number, number] = [0, 0];
    for (let end = text.indexOf(QUOTE); end !== -1; end = text.indexOf(QUOTE, end + 1)) {
      const depth = depthOf(text, end);
      if (depth === undefined) continue;
      // What begins before the quote that ended others would have ended there.
      const from = Math.max(ends[depth], end - this.longest);
      for (let start = quoteBefore(text, end); start >= from; start = quoteBefore(text, start)) {
        if (this.#isOne(text, start, end, depth)) return true;
      }
      ends[depth] = end;
    }
    return false;
  }

  #isOne(text: string, start: number, end: number, depth: 0 | 1): boolean {
    if (depth === 1 && text.charCodeAt(start - 1) !== BACKSLASH) return false;
    const written = text.slice(start + 1, end - depth);
    return (this.#ids.has(written) && PLAIN.test(written)) || this.#escaped[depth].has(written);
  }
}

/** In which JSON a quote ends a text: 0 where no backslash belongs to it, 1 where one does. Undefined if it is within a text. */
function depthOf(text: string, quote: number): 0 | 1 | undefined {
  let backslashes = 0;
  while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
  if (backslashes % 2 === 0) return 0;
  // Twice written, a backslash of the text before it takes four.
  return backslashes % 4 === 1 ? 1 : undefined;
}

function quoteBefore(text: string, place: number): number {
  return place === 0 ? -1 : text.lastIndexOf(QUOTE, place - 1);
}

function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
