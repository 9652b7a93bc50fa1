/** The generated patterns, read from their file again. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const NEWLINE = 10;
const CHUNK_BYTES = 8 * 1024 * 1024;
/** Longer than any two lines of the generator. */
const WINDOW_BYTES = 8192;

/**
 * Whole lines without their newlines, as many as about 8 MiB hold. The bytes are the caller's.
 *
 * @param {string} file
 * @returns {Generator<Buffer[], void>}
 */
export function* batchesOf(file) {
  const fd = openSync(file, "r");
  try {
    const { size } = fstatSync(fd);
    for (let at = 0; at < size; ) {
      const bytes = Buffer.alloc(Math.min(CHUNK_BYTES, size - at));
      const chunk = bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, at));
      const lines = [];
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        lines.push(chunk.subarray(start, end));
        start = end + 1;
      }
      if (start === 0) throw new Error(`${file} does not end with a newline`);
      at += start;
      yield lines;
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * Lines at random places, the same ones whenever it is asked with the same numbers.
 *
 * @param {string} file
 * @param {number} count
 * @param {import("../random.mjs").Random} random
 * @returns {string[]}
 */
export function sampleLines(file, count, random) {
  const fd = openSync(file, "r");
  try {
    const { size } = fstatSync(fd);
    const window = Buffer.alloc(WINDOW_BYTES);
    return Array.from({ length: count }, () => {
      readSync(fd, window, 0, WINDOW_BYTES, Math.min(random.below(size), size - WINDOW_BYTES));
      const start = window.indexOf(NEWLINE) + 1;
      return window.toString("utf8", start, window.indexOf(NEWLINE, start));
    });
  } finally {
    closeSync(fd);
  }
}
