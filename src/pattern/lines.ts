/**
 * The lines of a batch, without an object for each: pieces of memory as the sockets gave them, and where each line
 * begins and ends there.
 */
import type { ReceivedLine } from "./settlement.ts";

/** Lines of one sender in one piece of memory, in order. */
export interface LineBlock {
  readonly bytes: Buffer;
  /** Two numbers a line: where it begins in `bytes`, and where it ends, without its newline. */
  readonly bounds: readonly number[];
  /** False for the one line that stood behind the last newline when the sender finished. */
  readonly terminated: boolean;
}

export function blockOf({ bytes, terminated }: ReceivedLine): LineBlock {
  return { bytes, bounds: [0, bytes.length], terminated };
}

export function linesIn({ bounds }: LineBlock): number {
  return bounds.length / 2;
}

/** The lines from `from` up to `to`. */
export function partOf(block: LineBlock, from: number, to: number): LineBlock {
  if (from === 0 && to === linesIn(block)) return block;
  return { ...block, bounds: block.bounds.slice(2 * from, 2 * to) };
}

export function lineIn({ bytes, bounds, terminated }: LineBlock, place: number): ReceivedLine {
  return { bytes: bytes.subarray(bounds[2 * place], bounds[2 * place + 1]), terminated };
}

export class Lines implements Iterable<ReceivedLine> {
  readonly blocks: readonly LineBlock[];
  readonly length: number;

  constructor(blocks: readonly LineBlock[]) {
    this.blocks = blocks;
    this.length = blocks.reduce((sum, block) => sum + linesIn(block), 0);
  }

  static of(lines: Iterable<ReceivedLine>): Lines {
    return new Lines(Array.from(lines, blockOf));
  }

  *[Symbol.iterator](): Generator<ReceivedLine, void> {
    for (const block of this.blocks) {
      for (let place = 0; place < linesIn(block); place += 1) yield lineIn(block, place);
    }
  }

  /** The lines from `from` up to `to`. */
  slice(from: number, to = this.length): Lines {
    const blocks: LineBlock[] = [];
    let first = 0;
    for (const block of this.blocks) {
      const count = linesIn(block);
      const [start, end] = [Math.max(from - first, 0), Math.min(to - first, count)];
      if (start < end) blocks.push(partOf(block, start, end));
      first += count;
    }
    return new Lines(blocks);
  }
}
