import { readSync } from "node:fs";

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 10;

/**
 * Calls `visit` with each whole line of the first `size` bytes, without its newline, and where it begins.
 * The bytes are only valid during the call. Returns where the last whole line ends.
 */
export function readLines(fd: number, size: number, visit: (line: Buffer, offset: number) => void): number {
  let buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(size, 1)));
  let filled = 0;
  let base = 0;
  while (base + filled < size) {
    if (filled === buffer.length) buffer = Buffer.concat([buffer], buffer.length * 2);
    const wanted = Math.min(buffer.length - filled, size - base - filled);
    const got = readSync(fd, buffer, filled, wanted, base + filled);
    if (got === 0) break;
    filled += got;
    let start = 0;
    const have = buffer.subarray(0, filled);
    for (let end = have.indexOf(NEWLINE); end !== -1; end = have.indexOf(NEWLINE, start)) {
      visit(have.subarray(start, end), base + start);
      start = end + 1;
    }
    buffer.copyWithin(0, start, filled);
    base += start;
    filled -= start;
  }
  return base;
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
