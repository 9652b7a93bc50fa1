import { hashAt, type IdHash } from "../../../pattern/id-hash.ts";
import { isObstacle, statOf } from "../../plain-file.ts";
import { type Block, firstLineOf, indexPath, readIndex } from "../block-index.ts";
import type { SegmentFile } from "./day-lines.ts";

/** Compares what an index says of a segment with the lines, given in their order. */
export class IndexCheck {
  readonly path: string;
  /** Why readers pass over some of the file. */
  readonly ignored: string | undefined;
  readonly #blocks: readonly Block[];
  readonly #endsBlocks: boolean;
  #number = 0;
  #lines = 0;
  #wrong: string | undefined;

  /** `generation`: of the compressed segment, or of the one that a plain segment stands beside, or 0. */
  constructor({ path, fd, gz, size }: SegmentFile, generation: number) {
    this.path = indexPath(path);
    this.#endsBlocks = gz === undefined;
    const firstLine = gz === undefined ? (firstLineOf(fd) ?? 0) : 0;
    const end = gz === undefined ? size : Number.MAX_SAFE_INTEGER;
    const { blocks, bytes } = readIndex(this.path, { generation, firstLine }, end);
    this.#blocks = blocks;
    // What is no file is an obstacle, and no index of anything.
    const there = isObstacle(this.path) ? 0 : (statOf(this.path)?.size ?? 0);
    if (there > bytes) this.ignored = `${there - bytes} of ${there} bytes are of no block of this segment`;
  }

  /** `instant`: undefined for a line that is no pattern, whose hash is NO_ID. `end`: newline included. */
  line(at: { offset: number; end: number; beginsBlock: boolean }, hash: IdHash, instant?: bigint): void {
    const block = this.#blocks[this.#number];
    if (!block || this.#wrong !== undefined) return;
    this.#wrong = this.#faultOf(block, at, hash, instant);
    this.#lines += 1;
    if (at.end !== block.to) return;
    if (2 * this.#lines !== block.hashes.length) this.#wrong = `a block at ${block.from} has other lines`;
    this.#number += 1;
    this.#lines = 0;
  }

  /** After the last line: what readers would be told that is not so; undefined if nothing is. */
  get wrong(): string | undefined {
    const next = this.#blocks[this.#number];
    return this.#wrong ?? (next && `a block at ${next.from} ends at ${next.to}, where no line does`);
  }

  /** After the last line, which ends at `end`: how much more text the file had when the index was made. */
  lacks(end: number): number {
    const next = this.#blocks[this.#number];
    const isEnd = this.#wrong === undefined && this.#lines === 0 && next?.from === end;
    return isEnd ? (this.#blocks.at(-1)?.to ?? end) - end : 0;
  }

  #faultOf(
    block: Block,
    { offset, end, beginsBlock }: { offset: number; end: number; beginsBlock: boolean },
    { high, low }: IdHash,
    instant: bigint | undefined,
  ): string | undefined {
    if (this.#lines === 0 && offset !== block.from)
      return `a block begins at ${block.from}, where no line does`;
    if (!this.#endsBlocks && beginsBlock !== (this.#lines === 0))
      return `a block at ${block.from} is none of the file's`;
    if (end > block.to) return `a block at ${block.from} ends at ${block.to}, where no line does`;
    const known = hashAt(block.hashes, this.#lines);
    if (known.high !== high || known.low !== low) return `another id stands at ${offset}`;
    if (instant !== undefined && (instant < block.oldest || instant > block.newest))
      return `the line at ${offset} is outside of the block's oldest and newest instant`;
    return undefined;
  }
}
