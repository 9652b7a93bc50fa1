/**
 * How lines stand in a file of the spool, one record each: a newline, the line's length and a CRC-32 over the length
 * and the line (unsigned, big-endian, four bytes each), the line. No line holds a newline, so that behind damage the
 * next whole record is found by looking for one.
 */
import { crc32 } from "node:zlib";

const MARK = 0x0a;
const LENGTH_AT = 1;
const CHECKSUM_AT = 5;
const HEADER_BYTES = 9;

/** The records of lines that hold no newline, one behind the other. */
export function recordsOf(lines: readonly Buffer[]): Buffer {
  let bytes = 0;
  for (const line of lines) bytes += HEADER_BYTES + line.length;
  const records = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const line of lines) {
    records[at] = MARK;
    records.writeUInt32BE(line.length, at + LENGTH_AT);
    records.writeUInt32BE(checksum(records, at, line), at + CHECKSUM_AT);
    at += HEADER_BYTES;
    line.copy(records, at);
    at += line.length;
  }
  return records;
}

/** What is read back: views of `content`, and what stands between whole records as byte offsets. */
export interface ReadRecords {
  readonly lines: readonly Buffer[];
  readonly damage: readonly { readonly start: number; readonly end: number }[];
}

export function readRecords(content: Buffer): ReadRecords {
  const lines: Buffer[] = [];
  const damage: { start: number; end: number }[] = [];
  for (let at = 0; at < content.length; ) {
    const line = lineAt(content, at);
    if (line) {
      lines.push(line);
      at += HEADER_BYTES + line.length;
    } else {
      const end = nextRecord(content, at);
      damage.push({ start: at, end });
      at = end;
    }
  }
  return { lines, damage };
}

function nextRecord(content: Buffer, from: number): number {
  for (let at = content.indexOf(MARK, from + 1); at !== -1; at = content.indexOf(MARK, at + 1)) {
    if (lineAt(content, at)) return at;
  }
  return content.length;
}

function lineAt(content: Buffer, at: number): Buffer | undefined {
  if (content[at] !== MARK || at + HEADER_BYTES > content.length) return undefined;
  const start = at + HEADER_BYTES;
  const end = start + content.readUInt32BE(at + LENGTH_AT);
  // No line holds the mark: that is seen sooner than a wrong checksum over megabytes.
  if (end > content.length || content.subarray(start, end).includes(MARK)) return undefined;
  const line = content.subarray(start, end);
  return checksum(content, at, line) === content.readUInt32BE(at + CHECKSUM_AT) ? line : undefined;
}

function checksum(records: Buffer, at: number, line: Buffer): number {
  return crc32(line, crc32(records.subarray(at + LENGTH_AT, at + CHECKSUM_AT)));
}
