/**
 * Walks over JSON text in bytes without making values of it. Each method takes a place and gives the one behind what
 * stands there, or NO. Behind the text there has to be a byte that no JSON text goes on with (a line's newline): then
 * no look at a byte needs a look at the end before it. Whether the bytes are UTF-8 is for the caller to know.
 */
import { Literal } from "./literal.ts";
import { MAX_DEPTH } from "./schema.ts";
import type { Characters } from "./timestamp.ts";

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const OPEN_LIST = 0x5b;
export const CLOSE_LIST = 0x5d;
export const TRUE = new Literal("true");
export const FALSE = new Literal("false");
export const NULL = new Literal("null");
/** There is no such thing here. */
export const NO = -1;

const BACKSLASH = 0x5c;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const RETURN = 0x0d;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const E = 0x65;
const F = 0x66;
const N = 0x6e;
export const T = 0x74;
const U = 0x75;
const LOWER_CASE = 0x20;
const ESCAPABLE = new Set(Buffer.from('"\\/bfnrt'));
/** Of a text, the bytes that stand for themselves: printable ASCII but the quote and the backslash. */
const IS_PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= SPACE && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
const HIGHEST_BITS = 0x80808080 | 0;
/** So many digits are a safe integer whatever they are. */
const SAFE_DIGITS = 15;

export class JsonScanner {
  protected bytes: Buffer = Buffer.alloc(0);
  /** The same bytes, to be read four at a time. */
  protected view: DataView = new DataView(new ArrayBuffer(0));
  protected end = 0;
  /** Of the text that was read last: whether it is nothing but printable ASCII without escapes. */
  protected isPlain = false;
  /** The number that was read last. */
  protected number = 0;
  #depth = 0;

  /** Where the first value begins. */
  protected begin(bytes: Buffer, start: number, end: number): number {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.end = end;
    this.#depth = 0;
    return this.gap(start);
  }

  /** Spaces, tabs and carriage returns, if there are any. */
  protected gap(from: number): number {
    let at = from;
    for (let byte = this.bytes[at] ?? 0; byte <= SPACE && at < this.end; byte = this.bytes[at] ?? 0) {
      if (byte !== SPACE && byte !== TAB && byte !== RETURN) return at;
      at += 1;
    }
    return at;
  }

  protected colon(from: number): number {
    const at = this.gap(from);
    return this.bytes[at] === COLON ? this.gap(at + 1) : NO;
  }

  protected word(at: number, word: Literal): number {
    return word.isAt(this.bytes, this.view, at) ? at + word.length : NO;
  }

  /** What stands for itself, up to what does not. */
  protected plain(from: number): number {
    const { bytes, view } = this;
    const lastWord = bytes.length - 4;
    let at = from;
    while (at <= lastWord && isPlainWord(view.getInt32(at, true))) at += 4;
    while (IS_PLAIN[bytes[at] ?? 0] === 1) at += 1;
    return at;
  }

  protected string(from: number): number {
    const at = this.plain(from + 1);
    this.isPlain = this.bytes[at] === QUOTE;
    return this.isPlain ? at + 1 : this.#restOfString(at);
  }

  /** Also reads its value. */
  protected numeral(from: number): number {
    const { bytes } = this;
    const start = bytes[from] === MINUS ? from + 1 : from;
    let at = start;
    let value = 0;
    for (let byte = bytes[at] ?? 0; byte >= ZERO && byte <= NINE; byte = bytes[at] ?? 0) {
      value = 10 * value + (byte - ZERO);
      at += 1;
    }
    const isPadded = bytes[start] === ZERO && at > start + 1;
    if (at === start || isPadded) return NO;
    const next = bytes[at] ?? 0;
    if (next === POINT || (next | LOWER_CASE) === E) return this.#fraction(from, at);
    if (at - start > SAFE_DIGITS) value = Number(bytes.toString("latin1", start, at));
    this.number = start === from ? value : -value;
    return at;
  }

  /** Any value. */
  protected value(at: number): number {
    switch (this.bytes[at]) {
      case QUOTE:
        return this.string(at);
      case OPEN_OBJECT:
        return this.#all(at + 1, CLOSE_OBJECT);
      case OPEN_LIST:
        return this.#all(at + 1, CLOSE_LIST);
      case T:
        return this.word(at, TRUE);
      case F:
        return this.word(at, FALSE);
      case N:
        return this.word(at, NULL);
      default:
        return this.numeral(at);
    }
  }

  /** Whether one level more is one too many. */
  protected opensTooDeep(): boolean {
    this.#depth += 1;
    return this.#depth > MAX_DEPTH;
  }

  protected closes(): void {
    this.#depth -= 1;
  }

  /** All that stands up to what closes the list or the object. */
  #all(from: number, close: number): number {
    const { bytes } = this;
    let at = this.gap(from);
    if (this.opensTooDeep()) return NO;
    for (let isFirst = true; !(isFirst && bytes[at] === close); isFirst = false) {
      if (close === CLOSE_OBJECT) {
        at = bytes[at] === QUOTE ? this.string(at) : NO;
        if (at !== NO) at = this.colon(at);
        if (at === NO) return NO;
      }
      at = this.value(at);
      if (at === NO) return NO;
      at = this.gap(at);
      if (bytes[at] === close) break;
      if (bytes[at] !== COMMA) return NO;
      at = this.gap(at + 1);
    }
    this.closes();
    return at + 1;
  }

  #restOfString(from: number): number {
    const { bytes } = this;
    for (let at = from; ; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte === QUOTE) return at + 1;
      if (byte < SPACE) return NO;
      if (byte !== BACKSLASH) continue;
      at = this.#lastOfEscape(at + 1);
      if (at === NO) return NO;
    }
  }

  #lastOfEscape(at: number): number {
    const { bytes } = this;
    if (bytes[at] !== U) return ESCAPABLE.has(bytes[at] ?? 0) ? at : NO;
    for (let digit = at + 1; digit <= at + 4; digit += 1) if (!isHex(bytes[digit] ?? 0)) return NO;
    return at + 4;
  }

  /** `from`: where the number begins; `point`: behind its whole part. */
  #fraction(from: number, point: number): number {
    const { bytes } = this;
    let at = point;
    if (bytes[at] === POINT) at = this.#digits(at + 1);
    if (at === NO) return NO;
    if (((bytes[at] ?? 0) | LOWER_CASE) === E) {
      const sign = bytes[at + 1];
      at = this.#digits(sign === MINUS || sign === PLUS ? at + 2 : at + 1);
    }
    if (at !== NO) this.number = this.#decimal(from, at) ?? Number(bytes.toString("latin1", from, at));
    return at;
  }

  /** What both numbers of a fraction are exact for needs no string. Not so with an exponent, which is rare. */
  #decimal(from: number, end: number): number | undefined {
    const { bytes } = this;
    const start = bytes[from] === MINUS ? from + 1 : from;
    if (end - start > SAFE_DIGITS + 1) return undefined;
    let digits = 0;
    let scale = 0;
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at] ?? 0;
      if (byte === POINT) scale = 1;
      else if (byte > NINE) return undefined;
      else {
        digits = 10 * digits + (byte - ZERO);
        scale *= 10;
      }
    }
    return start === from ? digits / scale : -digits / scale;
  }

  #digits(from: number): number {
    let at = from;
    for (let byte = this.bytes[at] ?? 0; byte >= ZERO && byte <= NINE; byte = this.bytes[at] ?? 0) at += 1;
    return at === from ? NO : at;
  }
}

/** Printable ASCII in bytes, read like a string without being made one. Behind its end stands NO: NaN would make slow numbers of all. */
export class PlainText implements Characters {
  length = 0;
  #bytes: Uint8Array = new Uint8Array();
  #start = 0;

  on(bytes: Uint8Array, start: number, end: number): this {
    this.#bytes = bytes;
    this.#start = start;
    this.length = end - start;
    return this;
  }

  charCodeAt(index: number): number {
    return index < this.length ? (this.#bytes[this.#start + index] ?? 0) : NO;
  }
}

/**
 * Whether all four bytes stand for themselves. Each term has a byte's highest bit set where one is less than a space, the
 * quote, the backslash, or no ASCII (https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord).
 */
function isPlainWord(word: number): boolean {
  const quote = word ^ 0x22222222;
  const backslash = word ^ 0x5c5c5c5c;
  const found =
    ((word - 0x20202020) & ~word) |
    ((quote - 0x01010101) & ~quote) |
    ((backslash - 0x01010101) & ~backslash) |
    word;
  return (found & HIGHEST_BITS) === 0;
}

/** What a JSON text between its quotes says. */
export function textAt(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString("utf8", start, end);
  return text.includes("\\") ? String(JSON.parse(`"${text}"`)) : text;
}

function isHex(byte: number): boolean {
  const letter = byte | LOWER_CASE;
  return (byte >= ZERO && byte <= NINE) || (letter >= 0x61 && letter <= 0x66);
}
