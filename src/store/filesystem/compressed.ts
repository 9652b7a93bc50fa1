/**
 * A compressed segment: a gzip file like any other (`zcat` reads it) of many members. The first is empty and
 * carries a head; each of the others is a block of whole lines and says in its header how long it is, so that
 * one line is read by decompressing one block, and a whole file with one block in memory. (Members with their
 * length in the header's extra field: as BGZF does it.)
 *
 *   head    subfield "PH": the generation, 16 decimal digits, then "m" or "w"
 *   block   subfield "PB": its length in the file, then the length of its text, 32 bits each
 *
 * The generation is a greater one with every rewriting. "m": the lines of the day's `.ndjson` are merged in here,
 * and that file, if it is still there, no longer counts; "w": what stands in an `.ndjson` came later.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { constants, gunzipSync, gzipSync } from "node:zlib";
import { PatterndError } from "../../errors.ts";
import { type Chunk, readRange } from "./lines.ts";

const BLOCK_BYTES = 256 * 1024;
const NEWLINE = 10;

// https://www.rfc-editor.org/rfc/rfc1952: ten bytes, the length of the extra field, its subfields.
const FIXED_BYTES = 10;
const EXTRA_AT = FIXED_BYTES + 2 + 4;
const FLAGS_AT = 3;
const FLAG_EXTRA = 4;
const GENERATION_BYTES = 16;
const STATE_AT = EXTRA_AT + GENERATION_BYTES;
const BLOCK_HEADER_BYTES = EXTRA_AT + 8;
/** What follows in the head member: an empty text, packed, and the trailer. */
const HEAD_END = gzipSync("").subarray(FIXED_BYTES);
export const HEAD_MEMBER_BYTES = STATE_AT + 1 + HEAD_END.length;

export interface Head {
  readonly generation: number;
  /** Whether an `.ndjson` beside it is merged already. */
  readonly merging: boolean;
}

/** Writes a compressed segment; it counts for nothing until it is renamed to its place. */
export class CompressedWriter {
  readonly #path: string;
  readonly #fd: number;
  #lines: Buffer[] = [];
  #bytes = 0;
  #offset = 0;

  constructor(path: string, { generation, merging }: Head) {
    this.#path = path;
    this.#fd = openSync(path, "w", 0o600);
    this.#write(member("PH", Buffer.from(digits(generation) + (merging ? "m" : "w"), "latin1"), ""));
  }

  /** Takes a copy. Returns where in the text the line ends, and whether a block ends there too. */
  addLine(line: Uint8Array): { readonly end: number; readonly endsBlock: boolean } {
    const copy = Buffer.allocUnsafe(line.byteLength + 1);
    copy.set(line);
    copy[line.byteLength] = NEWLINE;
    this.#lines.push(copy);
    this.#bytes += copy.length;
    this.#offset += copy.length;
    const endsBlock = this.#bytes >= BLOCK_BYTES;
    if (endsBlock) this.#writeBlock();
    return { end: this.#offset, endsBlock };
  }

  /** Returns when all of it is durable, under its present name. */
  finish(): void {
    if (this.#bytes > 0) this.#writeBlock();
    fsyncSync(this.#fd);
  }

  /** Before or after `finish`; the file is left to whoever renames or removes it. */
  close(): void {
    closeSync(this.#fd);
  }

  discard(): void {
    rmSync(this.#path, { force: true });
  }

  #writeBlock(): void {
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32LE(this.#bytes, 4);
    const block = member("PB", lengths, Buffer.concat(this.#lines));
    block.writeUInt32LE(block.length, EXTRA_AT);
    this.#write(block);
    this.#lines = [];
    this.#bytes = 0;
  }

  #write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
  }
}

/** @throws PatterndError `store_failed` if patternd did not write the file. */
export function readHead(fd: number, path: string): Head {
  const bytes = readRange(fd, { from: 0, to: STATE_AT + 1 });
  if (!isMember(bytes, "PH") || bytes.length <= STATE_AT) throw damaged(path, 0);
  return {
    generation: Number(bytes.toString("latin1", EXTRA_AT, STATE_AT)),
    merging: bytes.toString("latin1", STATE_AT) === "m",
  };
}

/** Whether the member that carries the head is all there, as far as its checksum goes. */
export function isHeadWhole(fd: number): boolean {
  return readRange(fd, { from: STATE_AT + 1, to: HEAD_MEMBER_BYTES }).equals(HEAD_END);
}

/** Says, durably, that an `.ndjson` beside the file is a new one. One byte, outside of what the checksums cover. */
export function endMerging(path: string): void {
  const fd = openSync(path, "r+");
  try {
    writeSync(fd, Buffer.from("w"), 0, 1, STATE_AT);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export interface StoredBlock {
  /** In the file: where it begins and how long it is. */
  readonly at: number;
  readonly length: number;
  /** The same of its text. */
  readonly offset: number;
  readonly textLength: number;
}

/** The blocks in the order of the text, found by their headers alone. */
export function* listBlocks(fd: number, path: string): Generator<StoredBlock, void> {
  let at = HEAD_MEMBER_BYTES;
  for (let offset = 0; ; ) {
    if (readRange(fd, { from: at, to: at + 1 }).length === 0) {
      // Else it would pass for a segment without lines.
      if (at === HEAD_MEMBER_BYTES && !isHeadWhole(fd)) throw damaged(path, 0);
      return;
    }
    const header = readBlockHeader(fd, at);
    if (!header) throw damaged(path, at);
    const { length, textLength } = header;
    yield { at, length, offset, textLength };
    offset += textLength;
    at += length;
  }
}

/** What the header of the block at `at` says; undefined if there is none. */
export function readBlockHeader(
  fd: number,
  at: number,
): (Pick<StoredBlock, "length" | "textLength"> & { readonly textAt: number }) | undefined {
  const header = readRange(fd, { from: at, to: at + BLOCK_HEADER_BYTES });
  if (!isMember(header, "PB") || header.length < BLOCK_HEADER_BYTES) return undefined;
  const length = header.readUInt32LE(EXTRA_AT);
  const textLength = header.readUInt32LE(EXTRA_AT + 4);
  if (length <= BLOCK_HEADER_BYTES || textLength === 0) return undefined;
  return { length, textLength, textAt: at + BLOCK_HEADER_BYTES };
}

export function readBlock(fd: number, path: string, { at, length, offset, textLength }: StoredBlock): Chunk {
  const packed = readRange(fd, { from: at, to: at + length });
  const bytes = gunzipSync(packed, { maxOutputLength: textLength });
  if (bytes.length !== textLength) throw damaged(path, at);
  return { bytes, offset };
}

/** The blocks that hold text behind `from`. */
export function* readBlocks(fd: number, path: string, from = 0): Generator<Chunk, void> {
  for (const block of listBlocks(fd, path)) {
    if (block.offset + block.textLength > from) yield readBlock(fd, path, block);
  }
}

/** The block that holds the text at `from`. */
export function readBlockAt(fd: number, path: string, from: number): Chunk {
  for (const chunk of readBlocks(fd, path, from)) return chunk;
  throw damaged(path, from);
}

function digits(generation: number): string {
  return String(generation).padStart(GENERATION_BYTES, "0");
}

function member(name: "PH" | "PB", content: Uint8Array, text: string | Uint8Array): Buffer {
  const plain = gzipSync(text, { level: constants.Z_BEST_COMPRESSION });
  const extra = Buffer.alloc(EXTRA_AT - FIXED_BYTES);
  extra.writeUInt16LE(4 + content.length, 0);
  extra.write(name, 2, "latin1");
  extra.writeUInt16LE(content.length, 4);
  const whole = Buffer.concat([plain.subarray(0, FIXED_BYTES), extra, content, plain.subarray(FIXED_BYTES)]);
  whole[FLAGS_AT] = FLAG_EXTRA;
  return whole;
}

function isMember(bytes: Buffer, name: "PH" | "PB"): boolean {
  return (
    bytes.length >= EXTRA_AT &&
    bytes.readUInt32BE(0) === 0x1f8b0800 + FLAG_EXTRA &&
    bytes.toString("latin1", FIXED_BYTES + 2, FIXED_BYTES + 4) === name
  );
}

function damaged(path: string, at: number): PatterndError {
  return new PatterndError(
    "store_failed",
    `${path} is damaged at byte ${at}, or was not written by patternd`,
  );
}
