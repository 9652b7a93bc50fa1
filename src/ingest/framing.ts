/** Bytes in, lines out: pure, no socket. However the bytes are cut into chunks, the lines are the same. */
import { createHash, type Hash } from "node:crypto";
import { type LineBlock, lineIn, linesIn } from "../pattern/lines.ts";
import type { ReceivedLine } from "../pattern/settlement.ts";
import { type UnfinishedBudget, UnfinishedLine } from "./unfinished.ts";

/** Of a line that is too large to be kept whole, this much is kept. */
export const HEAD_BYTES = 64 * 1024;
const NEWLINE = 10;
const RETURN = 13;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export type Frame = { readonly kind: "lines"; readonly block: LineBlock } | OversizedLine;

/** One line by itself. */
export type SingleFrame = ({ readonly kind: "line" } & ReceivedLine) | OversizedLine;

export function* singleFrames(frames: Iterable<Frame>): Generator<SingleFrame, void> {
  for (const frame of frames) {
    if (frame.kind === "oversized") yield frame;
    else
      for (let place = 0; place < linesIn(frame.block); place += 1)
        yield { kind: "line", ...lineIn(frame.block, place) };
  }
}

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

  /** The lines that this chunk completes, most of them in its own memory; blank ones are dropped. */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let bounds: number[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      if (this.#isUsual(end - start)) addLine(bounds, chunk, start, end);
      else {
        addBlock(frames, chunk, bounds);
        bounds = [];
        this.#finish(chunk.subarray(start, end), true, frames);
      }
      start = end + 1;
    }
    addBlock(frames, chunk, bounds);
    if (start < chunk.length) this.#hold(chunk.subarray(start));
    return frames;
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

  /** A line of so many bytes that is whole in one chunk, and not the first one. */
  #isUsual(length: number): boolean {
    return this.#held.length === 0 && !this.#discarding && !this.#atStart && length <= this.#maxLineBytes;
  }

  /** With this part. A carriage return behind the last byte that fits may belong to the newline: what follows tells. */
  #isTooLong(part: Buffer): boolean {
    const excess = this.#held.length + part.length - this.#maxLineBytes;
    // Without a part it is as it was when it was held.
    return excess > 1 || (excess === 1 && part.length > 0 && part.at(-1) !== RETURN);
  }

  #finish(part: Buffer, terminated: boolean, frames: Frame[]): void {
    if (!this.#discarding && this.#isTooLong(part)) this.#discard("line_too_long");
    if (this.#discarding) {
      frames.push(this.#endDiscarding(this.#discarding, part));
      return;
    }
    const whole = this.#held.with(part);
    this.#held.release();
    const bounds: number[] = [];
    addLine(bounds, whole, this.#lineStart(whole), whole.length);
    if (bounds.length > 0) frames.push({ kind: "lines", block: { bytes: whole, bounds, terminated } });
  }

  #hold(part: Buffer): void {
    if (!this.#discarding) {
      if (this.#isTooLong(part)) this.#discard("line_too_long");
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

  /** Behind the byte order mark that may stand before the first line. */
  #lineStart(line: Buffer): number {
    const first = this.#atStart;
    this.#atStart = false;
    return first && line.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  }
}

/** Without the carriage return of a CRLF; not at all if it is blank. */
function addLine(bounds: number[], bytes: Buffer, start: number, lineEnd: number): void {
  const end = lineEnd > start && bytes[lineEnd - 1] === RETURN ? lineEnd - 1 : lineEnd;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at];
    if (byte === 32 || byte === 9 || byte === RETURN) continue;
    bounds.push(start, end);
    return;
  }
}

function addBlock(frames: Frame[], bytes: Buffer, bounds: readonly number[]): void {
  if (bounds.length > 0) frames.push({ kind: "lines", block: { bytes, bounds, terminated: true } });
}
