/** A compressed segment, read past what is damaged in it. */
import { fstatSync } from "node:fs";
import { constants, gunzipSync, inflateRawSync } from "node:zlib";
import { PatterndError } from "../../../errors.ts";
import {
  HEAD_MEMBER_BYTES,
  type Head,
  isHeadWhole,
  readBlock,
  readBlockHeader,
  readHead,
} from "../compressed.ts";
import { type Range, readRange } from "../lines.ts";

/** One part of a compressed segment, in its order. */
export type Part =
  | {
      readonly kind: "text";
      /** Whole lines, each with its newline. */
      readonly bytes: Buffer;
      /** Where they begin in the text; NaN behind a block whose length is lost. */
      readonly offset: number;
      /** False where a checksum says that some of it is not as it was. */
      readonly isCertain: boolean;
    }
  | {
      readonly kind: "damage";
      /** In the file. */
      readonly at: number;
      readonly found: string;
    };

const SEARCH_BYTES = 64 * 1024;
const TRAILER_BYTES = 8;
const NEWLINE = 10;
const MEMBER = Buffer.from([0x1f, 0x8b, 0x08, 0x04]);
const MAX_TEXT = 64 * 1024 * 1024;
/** It is unpacked in memory. */
const MAX_PACKED_ANEW = 1024 * 1024 * 1024;

/** Undefined if it is damaged. */
export function salvageHead(fd: number, path: string): Head | undefined {
  try {
    const head = readHead(fd, path);
    return Number.isSafeInteger(head.generation) ? head : undefined;
  } catch (error) {
    if (error instanceof PatterndError) return undefined;
    throw error;
  }
}

/**
 * Every block; of a damaged one the lines that can still be unpacked. Those of a file that was cut short are as they
 * were; of those with a wrong checksum nobody can tell which are. A file without blocks that unpacks is one text.
 */
export function* salvage(fd: number, path: string): Generator<Part, void> {
  const { size } = fstatSync(fd);
  let at = HEAD_MEMBER_BYTES;
  const head = salvageHead(fd, path);
  if (!head || !isHeadWhole(fd)) {
    at = nextBlock(fd, 1, size);
    const bytes = at === size ? packedAnew(fd, size) : undefined;
    const found = head ? "a head that is cut short or altered" : "no readable head";
    yield { kind: "damage", at: 0, found: bytes ? "whole, and not as patternd packs it" : found };
    if (bytes) yield { kind: "text", bytes, offset: 0, isCertain: true };
  }
  for (let offset = 0; at < size; ) {
    const block = readBlockHeader(fd, at);
    const end = block ? at + block.length : size + 1;
    // A length that leads nowhere is damaged itself.
    if (!block || (end !== size && (end > size || !readBlockHeader(fd, end)))) {
      const next = nextBlock(fd, at + 1, size);
      yield { kind: "damage", at, found: `${next - at} bytes that are no readable block` };
      if (block) yield* begunText(fd, { from: block.textAt, to: next }, offset, next === size);
      offset = Number.NaN;
      at = next;
      continue;
    }
    try {
      yield { kind: "text", ...readBlock(fd, path, { ...block, at, offset }), isCertain: true };
    } catch {
      yield {
        kind: "damage",
        at,
        found: `a block of ${block.length} bytes with a wrong checksum or content`,
      };
      yield* begunText(fd, { from: block.textAt, to: end - TRAILER_BYTES }, offset, false);
    }
    offset += block.textLength;
    at = end;
  }
}

/** The text of a file that another program packed whole; undefined if that is not what it is. */
function packedAnew(fd: number, size: number): Buffer | undefined {
  if (size > MAX_PACKED_ANEW) return undefined;
  try {
    const text = gunzipSync(readRange(fd, { from: 0, to: size }), { maxOutputLength: MAX_PACKED_ANEW });
    if (text.length === 0) return undefined;
    // An editor may have left out the last newline; a line that is no pattern is found as such.
    return text[text.length - 1] === NEWLINE ? text : Buffer.concat([text, Buffer.from([NEWLINE])]);
  } catch {
    return undefined;
  }
}

function* begunText(fd: number, range: Range, offset: number, isCertain: boolean): Generator<Part, void> {
  if (range.to <= range.from) return;
  const text = inflatePrefix(readRange(fd, range));
  const bytes = text.subarray(0, text.lastIndexOf(NEWLINE) + 1);
  if (bytes.length > 0) yield { kind: "text", bytes, offset, isCertain };
}

/** What unpacks before the first fault: the longest prefix that does is searched for. */
function inflatePrefix(packed: Buffer): Buffer {
  let text = Buffer.alloc(0);
  let good = 0;
  for (let bad = packed.length + 1; bad - good > 1; ) {
    // The whole of it first: it may be the checksum alone that is wrong.
    const length = bad > packed.length ? packed.length : Math.floor((good + bad) / 2);
    try {
      const finishFlush = constants.Z_SYNC_FLUSH;
      text = inflateRawSync(packed.subarray(0, length), { finishFlush, maxOutputLength: MAX_TEXT });
      good = length;
    } catch {
      bad = length;
    }
  }
  return text;
}

/** Where the next block seems to begin, or the end of the file. */
function nextBlock(fd: number, from: number, size: number): number {
  for (let base = from; base < size; base += SEARCH_BYTES) {
    const bytes = readRange(fd, { from: base, to: Math.min(size, base + SEARCH_BYTES + MEMBER.length) });
    for (let found = bytes.indexOf(MEMBER); found !== -1; found = bytes.indexOf(MEMBER, found + 1)) {
      if (readBlockHeader(fd, base + found)) return base + found;
    }
  }
  return size;
}
