import { readSync } from "node:fs";

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 10;

/** Whole lines, each with its newline, and where the first begins. The bytes are only valid until the next chunk. */
export interface Chunk {
  readonly bytes: Buffer;
  readonly offset: number;
}

export type Visit = (line: Buffer, offset: number) => void;

/** The whole lines of the first `size` bytes, about a megabyte at a time. */
export function* readChunks(fd: number, size: number): Generator<Chunk, void> {
  let buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(size, 1)));
  let filled = 0;
  let base = 0;
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

/** The line that begins at `offset`, without its newline; undefined if none begins and ends there. */
export function readLineAt(fd: number, offset: number): Buffer | undefined {
  let line = Buffer.alloc(0);
  for (let wanted = 4096; ; wanted *= 4) {
    const part = Buffer.allocUnsafe(wanted);
    const got = readSync(fd, part, 0, wanted, offset + line.length);
    const end = part.subarray(0, got).indexOf(NEWLINE);
    if (end !== -1) return Buffer.concat([line, part.subarray(0, end)]);
    if (got === 0) return undefined;
    line = Buffer.concat([line, part.subarray(0, got)]);
  }
}
