/**
 * Beside a segment stands its index, `.<type>.index` or `.<type>.gz.index`: for each block of about 64 KiB of
 * its lines where they stand, their oldest and newest instant, and the hash of each line's id. So a question
 * reads only the blocks that can hold an answer, and the writer finds a known id without a table of all of them.
 *
 * An index is a cache. It is appended to without fsync; each block carries a checksum, blocks follow one another
 * without a gap, and the head says for which segment they were made: an index counts up to the first block that
 * does not fit, and what comes after that in the segment is read line by line. Deleting one costs only time.
 *
 *   head    "PDINDEX1", crc32 of what follows, crc32 of the segment's first line, its generation (64-bit float)
 *   block   crc32 of what follows, number of lines, from, to (offsets in the text, 64-bit floats), oldest, newest
 *           (nanoseconds since the epoch, 64 bits), then for each line the hash: high, low (32 bits each)
 *
 * All of it little-endian.
 */
import { readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { PatterndError, systemCode } from "../../errors.ts";
import { hashId, type IdHash, NO_ID } from "../../pattern/id-hash.ts";
import type { Zone } from "../../pattern/zone.ts";
import { readPlainFile } from "../plain-file.ts";
import { lineStarts, type Range, readRange } from "./lines.ts";
import { readStored } from "./stored-line.ts";

/** Some whole lines of a segment's text, each with its newline. */
export interface Block extends Range {
  /** Of the lines that are patterns: nanoseconds since the epoch. */
  readonly oldest: bigint;
  readonly newest: bigint;
  /** High and low of each line's id, or of NO_ID. */
  readonly hashes: Int32Array;
}

/** Which segment an index was made for. */
export interface IndexKey {
  readonly generation: number;
  /** crc32 of the first line; 0 for a compressed segment, which the generation identifies. */
  readonly firstLine: number;
}

const MAGIC = "PDINDEX1";
export const HEAD_BYTES = 24;
const BLOCK_HEAD_BYTES = 40;
const HASH_BYTES = 8;
const FIRST_LINE_BYTES = 4096;
const NEWLINE = 10;

export function indexPath(segment: string): string {
  return join(dirname(segment), `.${basename(segment).replace(".ndjson", "")}.index`);
}

export function encodeHead({ generation, firstLine }: IndexKey): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(MAGIC, 0, "latin1");
  head.writeUInt32LE(firstLine, 12);
  head.writeDoubleLE(generation, 16);
  head.writeUInt32LE(crc32(head.subarray(12)), 8);
  return head;
}

export function encodeBlock({ from, to, oldest, newest, hashes }: Block): Buffer {
  const block = Buffer.alloc(BLOCK_HEAD_BYTES + hashes.byteLength);
  block.writeUInt32LE(hashes.length / 2, 4);
  block.writeDoubleLE(from, 8);
  block.writeDoubleLE(to, 16);
  block.writeBigInt64LE(oldest, 24);
  block.writeBigInt64LE(newest, 32);
  block.set(new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.byteLength), BLOCK_HEAD_BYTES);
  block.writeUInt32LE(crc32(block.subarray(4)), 0);
  return block;
}

/** In the file. */
export function sizeOf({ hashes }: Block): number {
  return BLOCK_HEAD_BYTES + hashes.byteLength;
}

/** The blocks that stand in `bytes`, each with where it ends there, up to the first that is damaged or cut short. */
export function* decodeBlocks(
  bytes: Buffer,
): Generator<{ readonly block: Block; readonly end: number }, void> {
  for (let at = 0; at + BLOCK_HEAD_BYTES <= bytes.length; ) {
    const lines = bytes.readUInt32LE(at + 4);
    const end = at + BLOCK_HEAD_BYTES + lines * HASH_BYTES;
    if (end > bytes.length || crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32LE(at)) return;
    const hashes = new Int32Array(2 * lines);
    new Uint8Array(hashes.buffer).set(bytes.subarray(at + BLOCK_HEAD_BYTES, end));
    const block: Block = {
      from: bytes.readDoubleLE(at + 8),
      to: bytes.readDoubleLE(at + 16),
      oldest: bytes.readBigInt64LE(at + 24),
      newest: bytes.readBigInt64LE(at + 32),
      hashes,
    };
    yield { block, end };
    at = end;
  }
}

/** What of an index file fits its segment, whose text has `size` bytes. */
export interface FittingIndex {
  readonly blocks: readonly Block[];
  /** How many bytes of the file that is: 0 if it is to be made anew. */
  readonly bytes: number;
}

const NONE: FittingIndex = { blocks: [], bytes: 0 };

export function readIndex(path: string, key: IndexKey, size: number): FittingIndex {
  const bytes = readWhole(path);
  if (!bytes.subarray(0, HEAD_BYTES).equals(encodeHead(key))) return NONE;
  const blocks: Block[] = [];
  let covered = 0;
  let used = HEAD_BYTES;
  for (const { block, end } of decodeBlocks(bytes.subarray(HEAD_BYTES))) {
    if (block.from !== covered || block.to <= block.from || block.to > size) break;
    blocks.push(block);
    covered = block.to;
    used = HEAD_BYTES + end;
  }
  return { blocks, bytes: used };
}

/**
 * Whether a block of a plain segment is what stands there. Whoever edits a segment by hand moves what stands behind:
 * then the last block no longer fits, and none of them is to be trusted.
 */
export function isAsIndexed(fd: number, block: Block, zone: Zone): boolean {
  const { from, to, hashes } = block;
  const before = from === 0 ? 0 : 1;
  const bytes = readRange(fd, { from: from - before, to });
  if (before === 1 && bytes[0] !== NEWLINE) return false;
  const starts = lineStarts(bytes.subarray(before));
  const lines = starts.length - 1;
  if (starts[lines] !== to - from || lines !== hashes.length / 2) return false;
  const stored = readStored(bytes.subarray(before + (starts[lines - 1] ?? 0), -1), zone);
  const { high, low } = stored ? hashId(stored.id) : NO_ID;
  return hashes[2 * lines - 2] === high && hashes[2 * lines - 1] === low;
}

/** For the key of a plain segment; undefined while it has no whole line. */
export function firstLineOf(fd: number): number | undefined {
  const bytes = Buffer.alloc(FIRST_LINE_BYTES);
  const start = bytes.subarray(0, readSync(fd, bytes, 0, FIRST_LINE_BYTES, 0));
  const end = start.indexOf(NEWLINE);
  if (end === -1 && start.length < FIRST_LINE_BYTES) return undefined;
  return crc32(end === -1 ? start : start.subarray(0, end));
}

/** The numbers of the lines of a block that may have the id with this hash, the last first. */
export function* linesWith(hashes: Int32Array, { high, low }: IdHash): Generator<number, void> {
  for (let at = hashes.lastIndexOf(low); at > 0; at = hashes.lastIndexOf(low, at - 1)) {
    if (at % 2 === 1 && hashes[at - 1] === high) yield (at - 1) / 2;
  }
}

export function hasLineWith(hashes: Int32Array, hash: IdHash): boolean {
  return !linesWith(hashes, hash).next().done;
}

function readWhole(path: string): Buffer {
  try {
    return readPlainFile(path);
  } catch (error) {
    // It is only a cache: one that can't be read is none.
    if (systemCode(error) === undefined && !(error instanceof PatterndError)) throw error;
    return Buffer.alloc(0);
  }
}
