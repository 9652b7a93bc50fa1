/** Bytes in, lines out: pure, no socket. However the bytes are cut into chunks, the lines are the same. */
import { createHash, type Hash } from "node:crypto";

/** Of a line that is too large to be kept whole, this much is kept. */
export const HEAD_BYTES = 64 * 1024;
const NEWLINE = 10;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export type Frame =
  /** `terminated` is false for what stood behind the last newline when the sender finished. */
  { readonly kind: "line"; readonly bytes: Buffer; readonly terminated: boolean } | OversizedLine;

/** A line that was not held: its first bytes, how long it was, and what identifies it. */
export interface OversizedLine {
  readonly kind: "oversized";
  readonly code: "line_too_long" | "overloaded";
  readonly head: Buffer;
  readonly length: number;
  readonly sha256: string;
}

/** What all connections together may hold of lines that are not finished yet. */
export class UnfinishedBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

interface Discarding {
  readonly code: OversizedLine["code"];
  readonly head: Buffer;
  readonly hash: Hash;
  length: number;
}

export interface FramerOptions {
  readonly maxLineBytes: number;
  readonly budget: UnfinishedBudget;
}

export class LineFramer {
  readonly #maxLineBytes: number;
  readonly #budget: UnfinishedBudget;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #discarding: Discarding | undefined;
  #atStart = true;

  constructor(options: FramerOptions) {
    this.#maxLineBytes = options.maxLineBytes;
    this.#budget = options.budget;
  }

  /** The lines that this chunk completes; blank ones are dropped. */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#finish(chunk.subarray(start, end), true, frames);
      start = end + 1;
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start));
    return frames;
  }

  /** What is left when the sender has finished. */
  end(): Frame[] {
    const frames: Frame[] = [];
    if (this.#heldBytes > 0 || this.#discarding) this.#finish(Buffer.alloc(0), false, frames);
    return frames;
  }

  /** Gives back what this connection holds of the shared budget, and forgets it. */
  close(): void {
    this.#release();
    if (this.#discarding) this.#budget.give(this.#discarding.head.length);
    this.#discarding = undefined;
  }

  #finish(part: Buffer, terminated: boolean, frames: Frame[]): void {
    if (!this.#discarding && this.#heldBytes + part.length > this.#maxLineBytes)
      this.#discard("line_too_long");
    if (this.#discarding) {
      frames.push(this.#endDiscarding(this.#discarding, part));
      return;
    }
    const whole = this.#heldBytes === 0 ? part : Buffer.concat([...this.#held, part]);
    this.#release();
    const bytes = this.#trim(whole);
    if (!isBlank(bytes)) frames.push({ kind: "line", bytes, terminated });
  }

  #hold(part: Buffer): void {
    if (!this.#discarding) {
      if (this.#heldBytes + part.length > this.#maxLineBytes) this.#discard("line_too_long");
      else if (!this.#budget.take(part.length)) this.#discard("overloaded");
    }
    if (this.#discarding) {
      this.#discarding = this.#passOver(this.#discarding, part);
      return;
    }
    // A copy: a few held bytes must not keep a whole chunk of the socket's alive.
    this.#held.push(Buffer.from(part));
    this.#heldBytes += part.length;
  }

  /** From here to the next newline only a head, a length and a digest are kept. */
  #discard(code: OversizedLine["code"]): void {
    const held = Buffer.concat(this.#held);
    this.#release();
    const nothing: Discarding = { code, head: Buffer.alloc(0), hash: createHash("sha256"), length: 0 };
    this.#discarding = this.#passOver(nothing, held);
  }

  #passOver(line: Discarding, part: Buffer): Discarding {
    line.hash.update(part);
    const length = line.length + part.length;
    const more = part.subarray(0, HEAD_BYTES - line.head.length);
    if (line.head.length !== line.length || more.length === 0 || !this.#budget.take(more.length)) {
      return { ...line, length };
    }
    return { ...line, head: Buffer.concat([line.head, more]), length };
  }

  #endDiscarding(line: Discarding, part: Buffer): OversizedLine {
    const { code, head, hash, length } = this.#passOver(line, part);
    this.#budget.give(head.length);
    this.#discarding = undefined;
    this.#atStart = false;
    return { kind: "oversized", code, head, length, sha256: hash.digest("hex") };
  }

  #release(): void {
    this.#budget.give(this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
  }

  /** Without the carriage return of a CRLF and, before the first line, the byte order mark. */
  #trim(line: Buffer): Buffer {
    const first = this.#atStart;
    this.#atStart = false;
    const start = first && line.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
    const end = line.at(-1) === 13 ? line.length - 1 : line.length;
    return start === 0 && end === line.length ? line : line.subarray(start, Math.max(start, end));
  }
}

function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 32 && byte !== 9 && byte !== 13) return false;
  return true;
}
