/**
 * The ids of one segment: a small filter in memory, the hashes in the index file beside the segment, and the last
 * few, which are not worth a block yet, here. Index files are caches (block-index.ts): what can't be written to
 * one stays here, and a file that lost what was written is noticed when it is read (`StaleIndex`).
 */
import { fstatSync, ftruncateSync, statSync, writeSync } from "node:fs";
import { systemCode } from "../../errors.ts";
import { type IdHash, NO_ID } from "../../pattern/id-hash.ts";
import type { BlockCache } from "./block-cache.ts";
import {
  type Block,
  decodeBlocks,
  encodeBlock,
  encodeHead,
  type FittingIndex,
  HEAD_BYTES,
  type IndexKey,
  linesWith,
  sizeOf,
} from "./block-index.ts";
import { BloomFilter } from "./bloom.ts";
import { readRange } from "./lines.ts";

const BLOCK_BYTES = 64 * 1024;
/** Lines to a filter: a look-up that the filter does not rule out reads the hashes of so many. */
const GROUP_LINES = 16 * 1024;
const SMALLEST_GROUP = 64;
const NO_HASHES = new Int32Array();
/** Room for those of so many numbers at first: lines of 500 bytes make a block of 130. */
const FIRST_HASHES = 128;
const BITS_PER_ID = 16;

/** An index file does not hold what was written to it: it is to be made anew from its segment. */
export class StaleIndex extends Error {
  override readonly name = "StaleIndex";
}

/** Oldest and newest instant of a line, or of the block that it came from: nanoseconds since the epoch. */
export interface Span {
  readonly oldest: bigint;
  readonly newest: bigint;
}

/** Of no line at all: older and newer than any. */
const NOTHING: Span = { oldest: 2n ** 63n - 1n, newest: -(2n ** 63n) };

interface Group {
  filter: BloomFilter;
  lines: number;
  /** Where its first block stands in the index file, or will. */
  readonly position: number;
}

export interface IndexFile {
  readonly path: string;
  /** Whether blocks end by themselves: those of a compressed segment end where its own do. */
  readonly endsBlocks: boolean;
  readonly cache: BlockCache;
  /** For reading and appending. */
  open(): number;
  key(): IndexKey;
}

export class SegmentIds {
  readonly #file: IndexFile;
  readonly #groups: Group[] = [];
  /** How much of the file is ours; 0 before the first block. */
  #fileBytes = 0;
  /** Complete, and not in the file yet. */
  #recent: Block[] = [];
  /** Of the block that is not complete: high and low of each line. */
  #hashes = NO_HASHES;
  #lines = 0;
  #from = 0;
  #to = 0;
  #oldest = NOTHING.oldest;
  #newest = NOTHING.newest;
  #patterns = 0;

  constructor(file: IndexFile) {
    this.#file = file;
  }

  /** Takes over what the file holds; `visit` is called with the hashes of each block. */
  load({ blocks, bytes }: FittingIndex, visit: (hashes: Int32Array) => void): void {
    let position = HEAD_BYTES;
    for (const [at, block] of blocks.entries()) {
      let group = this.#groups.at(-1);
      if (!group || group.lines >= GROUP_LINES) group = this.#beginGroup(position, linesFrom(blocks, at));
      const patterns = group.filter.addAll(block.hashes);
      group.lines += patterns;
      this.#patterns += patterns;
      visit(block.hashes);
      position += sizeOf(block);
      this.#from = block.to;
    }
    this.#to = this.#from;
    this.#fileBytes = bytes;
  }

  /** Up to where the text of the segment is known. */
  get end(): number {
    return this.#to;
  }

  get patterns(): number {
    return this.#patterns;
  }

  /** What the filters take in memory. */
  get filterBytes(): number {
    return this.#groups.reduce((sum, { filter }) => sum + filter.bytes, 0);
  }

  /** The next line, which ends at `end` in the text; NO_ID for one that is no pattern. */
  add(hash: IdHash, oldest: bigint, newest: bigint, end: number): void {
    this.#push(hash);
    this.#to = end;
    if (hash !== NO_ID) {
      this.#addToGroup(hash);
      this.#patterns += 1;
      if (oldest < this.#oldest) this.#oldest = oldest;
      if (newest > this.#newest) this.#newest = newest;
    }
    if (this.#file.endsBlocks && end - this.#from >= BLOCK_BYTES) this.endBlock();
  }

  endBlock(): void {
    const block = this.#openBlock();
    if (!block) return;
    this.#recent.push(block);
    this.#hashes = NO_HASHES;
    this.#lines = 0;
    this.#from = this.#to;
    this.#oldest = NOTHING.oldest;
    this.#newest = NOTHING.newest;
    if ((this.#groups.at(-1)?.lines ?? 0) < GROUP_LINES) return;
    const position = this.#recent.reduce((end, one) => end + sizeOf(one), this.#fileBytes || HEAD_BYTES);
    this.#beginGroup(position, SMALLEST_GROUP);
  }

  /** Writes the complete blocks to the file. What the disk does not take is tried again the next time. */
  flush(): void {
    if (this.#recent.length === 0) return;
    try {
      const fd = this.#file.open();
      const stat = fstatSync(fd);
      // What is written to a FIFO waits for a reader.
      if (!stat.isFile()) return;
      if (stat.size !== this.#fileBytes) ftruncateSync(fd, this.#fileBytes);
      const blocks = this.#recent.map(encodeBlock);
      const bytes = Buffer.concat(this.#fileBytes === 0 ? [encodeHead(this.#file.key()), ...blocks] : blocks);
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      this.#fileBytes += bytes.length;
      this.#recent = [];
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }

  /** Cuts off what of the file does not fit: once the segment has grown it could seem to. */
  cut(): void {
    try {
      const size = statSync(this.#file.path, { throwIfNoEntry: false })?.size ?? 0;
      if (size > this.#fileBytes) ftruncateSync(this.#file.open(), this.#fileBytes);
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }

  /** Every block, the incomplete one too, in the order of the text. @throws StaleIndex */
  *blocks(): Generator<Block, void> {
    yield* this.#blocksFrom(HEAD_BYTES);
  }

  /** False for all that it does not hold but a few. */
  mayHold(hash: IdHash): boolean {
    for (const { filter } of this.#groups) if (filter.has(hash)) return true;
    return false;
  }

  /**
   * The lines, each by its block and its number there, that may have the id with this hash, the last first.
   *
   * @throws StaleIndex
   */
  *find(hash: IdHash): Generator<{ readonly block: Block; readonly line: number }, void> {
    for (const block of this.#blocksBackwards(hash)) {
      for (const line of linesWith(block.hashes, hash)) yield { block, line };
    }
  }

  *#blocksBackwards(hash: IdHash): Generator<Block, void> {
    const last = this.#openBlock();
    if (last) yield last;
    yield* this.#recent.toReversed();
    let end = this.#fileBytes;
    for (const { position, filter } of this.#groups.toReversed()) {
      const to = end;
      end = Math.min(position, end);
      if (!filter.has(hash)) continue;
      const key = `${this.#file.path} ${position} ${to}`;
      yield* this.#file.cache.get(key, () => [...this.#read(position, to)]).toReversed();
    }
  }

  #openBlock(): Block | undefined {
    if (this.#lines === 0) return undefined;
    const [from, to, oldest, newest] = [this.#from, this.#to, this.#oldest, this.#newest];
    return { from, to, oldest, newest, hashes: this.#hashes.slice(0, 2 * this.#lines) };
  }

  #push({ high, low }: IdHash): void {
    const at = 2 * this.#lines;
    if (at === this.#hashes.length) {
      const larger = new Int32Array(Math.max(FIRST_HASHES, 2 * at));
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[at] = high;
    this.#hashes[at + 1] = low;
    this.#lines += 1;
  }

  #beginGroup(position: number, capacity: number): Group {
    const group = { filter: new BloomFilter(capacity, BITS_PER_ID), lines: 0, position };
    this.#groups.push(group);
    return group;
  }

  #addToGroup(hash: IdHash): void {
    const group = this.#groups.at(-1) ?? this.#beginGroup(this.#fileBytes || HEAD_BYTES, SMALLEST_GROUP);
    group.lines += 1;
    if (group.lines <= group.filter.capacity) {
      group.filter.add(hash);
      return;
    }
    // The hash is in the block that is not complete already.
    group.filter = new BloomFilter(2 * group.filter.capacity, BITS_PER_ID);
    for (const { hashes } of this.#blocksFrom(group.position)) group.filter.addAll(hashes);
  }

  /** The file's from there on, and those that are not in it. */
  *#blocksFrom(position: number): Generator<Block, void> {
    yield* this.#read(position, this.#fileBytes);
    yield* this.#recent;
    const last = this.#openBlock();
    if (last) yield last;
  }

  *#read(from: number, to: number): Generator<Block, void> {
    if (to <= from) return;
    let end = 0;
    for (const decoded of decodeBlocks(this.#bytes(from, to))) {
      end = decoded.end;
      yield decoded.block;
    }
    if (end !== to - from) throw new StaleIndex(this.#file.path);
  }

  #bytes(from: number, to: number): Buffer {
    try {
      return readRange(this.#file.open(), { from, to });
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      throw new StaleIndex(this.#file.path, { cause: error });
    }
  }
}

/** How many lines a group has that begins with this block. */
function linesFrom(blocks: readonly Block[], first: number): number {
  let lines = 0;
  for (let at = first; at < blocks.length && lines < GROUP_LINES; at += 1) {
    lines += (blocks[at]?.hashes.length ?? 0) / 2;
  }
  return lines;
}
