/** A JSON document: one record, or a list of records, read with memory for one of them however long the list is. */
import { createHash, type Hash } from "node:crypto";

/** Of a record that is too large to be held, this much is. */
const HEAD_BYTES = 64 * 1024;
const [QUOTE, COMMA, OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('",[\\]{}');

/** One JSON text as it stands there, without the blanks around it. Nobody has parsed it. */
export interface RecordText {
  readonly bytes: Buffer;
  /** Given when `bytes` is only the beginning. */
  readonly whole?: { readonly length: number; readonly sha256: string };
}

/** @param maxBytes more of one record is not held. */
export async function readDocument(content: AsyncIterable<Buffer>, maxBytes: number): Promise<RecordText> {
  const text = new HeldText(maxBytes);
  for await (const chunk of content) text.push(chunk);
  return text.take();
}

/**
 * The elements of a list, as each is complete. What is wrong within one is its own fault; that of the list is said
 * at its end.
 *
 * @param content begins with `[`, blanks apart.
 * @param maxBytes more of one element is not held.
 * @returns what is wrong with the list as a whole.
 */
export async function* readList(
  content: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<RecordText, string | undefined> {
  const list = new ListSplitter(maxBytes);
  for await (const chunk of content) {
    yield* list.push(chunk);
    if (list.goesOn) return "there is more behind the end of its list";
  }
  yield* list.end();
  return list.isOver ? undefined : "its list has no end";
}

class ListSplitter {
  readonly #element: HeldText;
  /** 0: before the list, 1: in it, and one more for each bracket that is open within an element. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #elements = 0;
  isOver = false;
  /** Something but blanks came behind the list. */
  goesOn = false;

  constructor(maxBytes: number) {
    this.#element = new HeldText(maxBytes);
  }

  *push(chunk: Buffer): Generator<RecordText> {
    let start = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (this.isOver) this.goesOn ||= !isBlank(byte);
      else if (this.#depth === 0) {
        if (isBlank(byte)) continue;
        this.#depth = 1;
        start = at + 1;
      } else if (this.#endsElement(byte)) {
        this.#element.push(chunk.subarray(start, at));
        start = at + 1;
        this.isOver = byte === CLOSE_LIST;
        if (!this.isOver || this.#elements > 0 || !this.#element.isBlank) yield this.#take();
      }
    }
    if (!this.isOver && this.#depth > 0) this.#element.push(chunk.subarray(start));
  }

  /** What a list that has no end ends with. */
  *end(): Generator<RecordText> {
    if (!this.isOver && !this.#element.isBlank) yield this.#take();
  }

  #take(): RecordText {
    this.#elements += 1;
    return this.#element.take();
  }

  /** Also takes the byte in, if it is one of an element. */
  #endsElement(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return false;
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) this.#depth += 1;
    else if (this.#depth === 1) return byte === COMMA || byte === CLOSE_LIST;
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) this.#depth -= 1;
    return false;
  }
}

class HeldText {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #length = 0;
  #hash: Hash | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isBlank(): boolean {
    return this.#length === 0;
  }

  push(more: Buffer): void {
    const part = this.#length === 0 ? more.subarray(blanksBefore(more)) : more;
    this.#length += part.length;
    if (this.#hash) {
      this.#hash.update(part);
      return;
    }
    this.#parts.push(part);
    if (this.#length <= this.#maxBytes) return;
    const held = Buffer.concat(this.#parts);
    this.#hash = createHash("sha256").update(held);
    this.#parts = [Buffer.from(held.subarray(0, HEAD_BYTES))];
  }

  /** What was pushed; from here on another one. */
  take(): RecordText {
    const bytes = Buffer.concat(this.#parts);
    const whole = this.#hash && { length: this.#length, sha256: this.#hash.digest("hex") };
    this.#parts = [];
    this.#length = 0;
    this.#hash = undefined;
    return whole ? { bytes, whole } : { bytes: withoutBlanksBehind(bytes) };
  }
}

function blanksBefore(bytes: Buffer): number {
  const first = bytes.findIndex((byte) => !isBlank(byte));
  return first === -1 ? bytes.length : first;
}

function withoutBlanksBehind(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.findLastIndex((byte) => !isBlank(byte)) + 1);
}

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === 10 || byte === 13;
}
