/** The lines of a file, of records for the most part, from either end, each with its place; a block at a time, whatever is in there. */
import type { FileHandle } from "node:fs/promises";

const BLOCK_BYTES = 256 * 1024;
/** What is looked through at once, of what is no line. */
const PART_BYTES = 64 * 1024;
/** No record is as long: 64 KiB of a line, of which JSON writes no character with more than six. */
const MAX_RECORD_BYTES = 1024 * 1024;
const NEWLINE = 10;

/** `start` to `end`, which is behind the newline. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface RecordLine extends Range {
  /** Without newline; undefined if it is too long. */
  readonly bytes: Buffer | undefined;
  /** False for what stands behind the last newline: a write that did not come to its end. */
  readonly terminated: boolean;
}

/** From the first line to what stands before `size`. Blank lines are left out, and of longer ones than `maxBytes` the bytes. */
export async function* linesForwards(
  handle: FileHandle,
  size: number,
  maxBytes = MAX_RECORD_BYTES,
): AsyncGenerator<RecordLine> {
  let start = 0;
  let held: Buffer[] = [];
  const room = Buffer.allocUnsafe(BLOCK_BYTES);
  for (let at = 0; at < size; ) {
    const block = await readAt(handle, at, room.subarray(0, size - at));
    if (block.length === 0) return;
    let from = 0;
    for (let newline = block.indexOf(NEWLINE); newline !== -1; newline = block.indexOf(NEWLINE, from)) {
      const end = at + newline + 1;
      const length = newline + at - start;
      const bytes = length > maxBytes ? undefined : Buffer.concat([...held, block.subarray(from, newline)]);
      if (length > 0) yield { start, end, bytes, terminated: true };
      held = [];
      start = end;
      from = newline + 1;
    }
    at += block.length;
    // Copied: the next block is read over this one.
    if (at - start > maxBytes) held = [];
    else held.push(Buffer.from(block.subarray(from)));
  }
  const bytes = size - start > maxBytes ? undefined : Buffer.concat(held);
  if (start < size) yield { start, end: size, bytes, terminated: false };
}

/** A range that may be of any length, in parts: what is no longer than `overlap` bytes lies whole in one of them. */
export async function* partsOf(
  handle: FileHandle,
  { start, end }: Range,
  overlap: number,
): AsyncGenerator<Buffer> {
  const room = Buffer.allocUnsafe(PART_BYTES);
  let part = Buffer.alloc(0);
  for (let at = start; at < end; ) {
    const block = await readAt(handle, at, room.subarray(0, end - at));
    if (block.length === 0) return;
    part = Buffer.concat([part.subarray(Math.max(0, part.length - overlap)), block]);
    yield part;
    at += block.length;
  }
}

/** From what stands before `size` back to the first line. Blank lines are left out. */
export async function* linesBackwards(handle: FileHandle, size: number): AsyncGenerator<RecordLine> {
  let end = size;
  let held: Buffer | undefined = Buffer.alloc(0);
  let terminated = false;
  const room = Buffer.allocUnsafe(BLOCK_BYTES);
  for (let at = size; at > 0; ) {
    const length = Math.min(BLOCK_BYTES, at);
    at -= length;
    const block = await readAt(handle, at, room.subarray(0, length));
    if (block.length < length) return;
    let to = block.length;
    for (let newline = block.lastIndexOf(NEWLINE); newline !== -1; ) {
      const bytes = joined(block.subarray(newline + 1, to), held);
      const start = at + newline + 1;
      if (bytes?.length !== 0) yield { start, end, bytes, terminated };
      held = Buffer.alloc(0);
      terminated = true;
      end = start;
      to = newline;
      newline = to === 0 ? -1 : block.lastIndexOf(NEWLINE, to - 1);
    }
    held = joined(block.subarray(0, to), held);
  }
  if (held?.length !== 0) yield { start: 0, end, bytes: held, terminated };
}

/** Copies: the next block is read over this one. Undefined once it is too long. */
function joined(first: Buffer | undefined, second: Buffer | undefined): Buffer | undefined {
  if (!first || !second || first.length + second.length > MAX_RECORD_BYTES) return undefined;
  return Buffer.concat([first, second]);
}

async function readAt(handle: FileHandle, position: number, room: Buffer): Promise<Buffer> {
  const { bytesRead } = await handle.read(room, 0, room.length, position);
  return room.subarray(0, bytesRead);
}
