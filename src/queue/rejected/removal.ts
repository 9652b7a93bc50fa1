/** Lines on their way out of a file: found a block at a time, and the file replaced whole or not at all. */
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { systemCode } from "../../errors.ts";
import { linesForwards, type Range, type RecordLine } from "./record-lines.ts";

const COPY_BYTES = 1024 * 1024;

export interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
}

export interface SizedFile extends OpenFile {
  /** As it was opened. */
  readonly size: number;
}

/** Ranges in the order of their places, neighbours as one. */
export class Ranges {
  readonly all: { readonly start: number; end: number }[] = [];
  bytes = 0;

  add({ start, end }: Range): void {
    this.bytes += end - start;
    const last = this.all.at(-1);
    if (last?.end === start) last.end = end;
    else this.all.push({ start, end });
  }
}

export interface Leaving {
  readonly ranges: Ranges;
  readonly lines: number;
  /** Whether a line stays that is more than white space. */
  readonly isAnyLeft: boolean;
}

/** Those before `size` that leave. `maxBytes`: a longer line comes without its bytes; as long as a record, if not said. */
export async function leavingLines(
  { handle }: OpenFile,
  size: number,
  isLeaving: (line: RecordLine) => boolean | Promise<boolean>,
  maxBytes?: number,
): Promise<Leaving> {
  const ranges = new Ranges();
  let lines = 0;
  let isAnyLeft = false;
  for await (const line of linesForwards(handle, size, maxBytes)) {
    const leaves = isLeaving(line);
    // To wait for each of a million lines takes longer than to judge it.
    if (typeof leaves === "boolean" ? leaves : await leaves) {
      ranges.add(line);
      lines += 1;
    } else isAnyLeft ||= line.bytes?.toString("latin1").trim() !== "";
  }
  return { ranges, lines, isAnyLeft };
}

/**
 * For reading, closed by the caller. Undefined for what is not there, or is none: a FIFO keeps nobody waiting. `flags`:
 * besides those for reading, `O_NOFOLLOW` for one, with which a link is none.
 */
export async function openPlainFile(path: string, flags = 0): Promise<SizedFile | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ELOOP") return undefined;
    throw error;
  }
  const stat = await handle.stat();
  if (stat.isFile()) return { path, handle, size: stat.size };
  await handle.close();
  return undefined;
}

/** The open file's inode is not given to another file. */
export async function isStillThere({ path, handle }: OpenFile): Promise<boolean> {
  try {
    const [opened, there] = await Promise.all([handle.stat(), stat(path)]);
    return opened.dev === there.dev && opened.ino === there.ino;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** Puts what stands before `size`, without the ranges, in the file's place. Its name is the caller's to make durable. */
export async function replaceWithout(
  { path, handle }: OpenFile,
  ranges: readonly Range[],
  size: number,
): Promise<void> {
  const unfinished = `${path}.new`;
  try {
    const copy = await open(unfinished, "w", 0o600);
    try {
      await copyWithout(handle, copy, ranges, size);
      await copy.sync();
    } finally {
      await copy.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

/** A block at a time, however many ranges lie in it. */
async function copyWithout(from: FileHandle, to: FileHandle, ranges: readonly Range[], size: number) {
  const room = Buffer.allocUnsafe(Math.min(COPY_BYTES, size));
  let next = 0;
  for (let at = 0; at < size; ) {
    const { bytesRead } = await from.read(room, 0, Math.min(room.length, size - at), at);
    if (bytesRead === 0) throw new Error(`a file of ${size} bytes ended at ${at}`);
    const end = at + bytesRead;
    const block = at;
    let kept = 0;
    while (at < end) {
      const range = ranges[next] ?? { start: size, end: size };
      const until = Math.min(range.start, end);
      if (at < until) {
        room.copyWithin(kept, at - block, until - block);
        kept += until - at;
      }
      at = Math.min(Math.max(at, range.end), end);
      if (range.end <= end) next += 1;
    }
    await to.appendFile(room.subarray(0, kept));
  }
}
