import { readSync } from "node:fs";

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 10;

/** Whole lines, each with its newline, and where the first begins. The bytes are only valid until the next chunk. */
export interface Chunk {
  readonly bytes: Buffer;
  readonly offset: number;
}

/** Offsets in a text: from the one to before the other. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export type Visit = (line: Buffer, offset: number) => void;

/** The whole lines from `from`, where one begins, to `size`, about a megabyte at a time. */
export function* readChunks(fd: number, size: number, from = 0): Generator<Chunk, void> {
  let buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(size - from, 1)));
  let filled = 0;
  let base = from;
  while (base + filled < size) {
    if (filled === buffer.length) buffer = Buffer.concat([buffer], buffer.length * 2);
    const wanted = Math.min(buffer.length - filled, size - base - filled);
    const got = readSync(fd, buffer, filled, wanted, base + filled);
    if (got === 0) break;
    filled += got;
    const end = buffer.subarray(0, filled).lastIndexOf(NEWLINE) + 1;
    if (end > 0) yield { bytes: buffer.subarray(0, end), offset: base };
    buffer.copyWithin(0, end, filled);
    base += end;
    filled -= end;
  }
}

/** Calls `visit` with each line, without its newline, and where it begins. The bytes are only valid during the call. */
export function eachLine({ bytes, offset }: Chunk, visit: Visit): void {
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
    visit(bytes.subarray(start, end), offset + start);
    start = end + 1;
  }
}

/** Where each line begins, and where the last one ends. */
export function lineStarts(bytes: Buffer): number[] {
  const starts = [0];
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, end + 1))
    starts.push(end + 1);
  return starts;
}

/** The bytes of a range; fewer if the file ends before. */
export function readRange(fd: number, { from, to }: Range): Buffer {
  const bytes = Buffer.allocUnsafe(to - from);
  let filled = 0;
  while (filled < bytes.length) {
    const got = readSync(fd, bytes, filled, bytes.length - filled, from + filled);
    if (got === 0) break;
    filled += got;
  }
  return bytes.subarray(0, filled);
}
