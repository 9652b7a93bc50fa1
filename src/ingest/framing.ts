/** Bytes in, lines out: pure, no socket. However the bytes are cut into chunks, the lines are the same. */
import { createHash, type Hash } from "node:crypto";
import { type UnfinishedBudget, UnfinishedLine } from "./unfinished.ts";

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
  readonly #held: UnfinishedLine;
  #discarding: Discarding | undefined;
  #atStart = true;

  constructor(options: FramerOptions) {
    this.#maxLineBytes = options.maxLineBytes;
    this.#budget = options.budget;
    this.#held = new UnfinishedLine(options.budget);
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
    return ofTheirOwn(frames, chunk.length);
  }

  /** What is left when the sender has finished. */
  end(): Frame[] {
    const frames: Frame[] = [];
    if (this.#held.length > 0 || this.#discarding) this.#finish(Buffer.alloc(0), false, frames);
    return frames;
  }

  /** Gives back what this connection holds of the shared budget, and forgets it. */
  close(): void {
    this.#held.release();
    if (this.#discarding) this.#budget.give(this.#discarding.head.length);
    this.#discarding = undefined;
  }

  #finish(part: Buffer, terminated: boolean, frames: Frame[]): void {
    if (!this.#discarding && this.#held.length + part.length > this.#maxLineBytes)
      this.#discard("line_too_long");
    if (this.#discarding) {
      frames.push(this.#endDiscarding(this.#discarding, part));
      return;
    }
    const whole = this.#held.with(part);
    this.#held.release();
    const bytes = this.#trim(whole);
    if (!isBlank(bytes)) frames.push({ kind: "line", bytes, terminated });
  }

  #hold(part: Buffer): void {
    if (!this.#discarding) {
      if (this.#held.length + part.length > this.#maxLineBytes) this.#discard("line_too_long");
      else if (!this.#held.add(part)) this.#discard("overloaded");
    }
    if (this.#discarding) this.#discarding = this.#passOver(this.#discarding, part);
  }

  /** From here to the next newline only a head, a length and a digest are kept. */
  #discard(code: OversizedLine["code"]): void {
    const held = this.#held.with(Buffer.alloc(0));
    this.#held.release();
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

  /** Without the carriage return of a CRLF and, before the first line, the byte order mark. */
  #trim(line: Buffer): Buffer {
    const first = this.#atStart;
    this.#atStart = false;
    const start = first && line.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
    const end = line.at(-1) === 13 ? line.length - 1 : line.length;
    return start === 0 && end === line.length ? line : line.subarray(start, Math.max(start, end));
  }
}

/** Lines that are little of their chunk, among blank ones or behind a long one, must not keep all of it alive. */
function ofTheirOwn(frames: Frame[], chunkBytes: number): Frame[] {
  let bytes = 0;
  for (const frame of frames) if (frame.kind === "line") bytes += frame.bytes.length;
  if (4 * bytes >= chunkBytes) return frames;
  return frames.map((frame) =>
    frame.kind === "line" ? { ...frame, bytes: Buffer.from(frame.bytes) } : frame,
  );
}

function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 32 && byte !== 9 && byte !== 13) return false;
  return true;
}
