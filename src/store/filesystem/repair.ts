import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import type { StoreRepair } from "../backend.ts";
import { makeFolder, writeFileDurably } from "../durable.ts";
import { ASIDE_FOLDER } from "./layout.ts";

const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 10;

/**
 * Cuts off what stands behind a segment's last newline: a write that a crash cut short, and so never
 * acknowledged. The bytes are kept below `.aside`. Undefined if there was nothing to do.
 */
export function cutTornTail(root: string, segment: { path: string; size: number }): StoreRepair | undefined {
  if (segment.size === 0) return undefined;
  const fd = openSync(segment.path, "r+");
  try {
    const end = endOfLastLine(fd, segment.size);
    if (end === segment.size) return undefined;
    const tail = Buffer.alloc(segment.size - end);
    readSync(fd, tail, 0, tail.length, end);
    const keptAs = keepAside(root, segment.path, tail);
    ftruncateSync(fd, end);
    fsyncSync(fd);
    return { file: segment.path, bytes: tail.length, keptAs };
  } finally {
    closeSync(fd);
  }
}

function endOfLastLine(fd: number, size: number): number {
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - BLOCK_BYTES);
    const got = readSync(fd, block, 0, end - start, start);
    const newline = block.subarray(0, got).lastIndexOf(NEWLINE);
    if (newline !== -1) return start + newline + 1;
    end = start;
  }
  return 0;
}

/** Returns the file that holds the bytes from now on. */
export function keepAside(root: string, path: string, bytes: Uint8Array): string {
  const file = asidePath(root, path);
  writeFileDurably(file, bytes);
  return file;
}

/** A name below `.aside` that nothing has yet, for what comes from `path`. */
export function asidePath(root: string, path: string): string {
  makeFolder(join(root, ASIDE_FOLDER));
  const name = path.slice(root.length + 1).replaceAll("/", "-");
  // At the end, so that an import knows what it is.
  const [suffix = ""] = /\.ndjson(\.gz)?$/.exec(name) ?? [];
  const stem = name.slice(0, name.length - suffix.length);
  const stamp = new Date().toISOString().replaceAll(":", "");
  for (let n = 0; ; n += 1) {
    const file = join(root, ASIDE_FOLDER, `${stem}.${stamp}${n === 0 ? "" : `.${n}`}${suffix}`);
    if (!existsSync(file)) return file;
  }
}
