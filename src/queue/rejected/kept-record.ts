/** A refused line as it is written down and read back: one JSON object a line, in the file of its UTC day. */
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import * as v from "valibot";
import type { RejectedFilter, RejectedLine } from "../../pattern/rejection.ts";

/** Longer lines are kept in part, and can't be replayed. */
const KEPT_BYTES = 64 * 1024;
const NAME_DIGITS = 10;

/** At most the line's first 64 KiB. `time`: ISO 8601. */
export function keptRecord({ rejection, bytes, whole }: RejectedLine, time: string): object {
  const { code, message, path, patternId } = rejection;
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, KEPT_BYTES));
  const cut =
    whole ??
    (bytes.byteLength > KEPT_BYTES ? { length: bytes.byteLength, sha256: digestOf(bytes) } : undefined);
  return {
    time,
    code,
    message,
    ...(path === undefined ? {} : { path }),
    ...(patternId === undefined ? {} : { pattern_id: patternId }),
    ...(isUtf8(line) ? { line: line.toString("utf8") } : { line_base64: line.toString("base64") }),
    ...(cut ? { length: cut.length, sha256: cut.sha256 } : {}),
  };
}

/** A kept line, read back. */
export interface KeptLine {
  /** What people call it: its day, and the beginning of its record's SHA-256. Equal records have one name. */
  readonly name: string;
  /** The record as it stands in the file, without newline. */
  readonly text: string;
  /** When it was refused: ISO 8601, UTC. */
  readonly time: string;
  /** A rejection code of this version or another. */
  readonly code: string;
  readonly message: string;
  readonly path: string | undefined;
  readonly patternId: string | undefined;
  /** The line, or its beginning. */
  readonly bytes: Buffer;
  /** How long the line was, in bytes. */
  readonly length: number;
  /** Whether `bytes` is all of it. */
  readonly isWhole: boolean;
}

const recordSchema = v.object({
  time: v.pipe(v.string(), v.isoTimestamp()),
  code: v.string(),
  message: v.string(),
  path: v.optional(v.string()),
  pattern_id: v.optional(v.string()),
  line: v.optional(v.string()),
  line_base64: v.optional(v.pipe(v.string(), v.base64())),
  length: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  sha256: v.optional(v.string()),
});

/** Undefined if the record is damaged. */
export function parseKept(record: Buffer): KeptLine | undefined {
  const text = record.toString("utf8");
  const parsed = v.safeParse(recordSchema, jsonOf(text));
  if (!parsed.success) return undefined;
  const { time, code, message, path, pattern_id: patternId, line, line_base64: base64 } = parsed.output;
  const bytes = line === undefined ? base64 && Buffer.from(base64, "base64") : Buffer.from(line, "utf8");
  if (bytes === undefined || bytes === "") return undefined;
  const { length = bytes.length, sha256 } = parsed.output;
  const isWhole = sha256 === undefined || (length === bytes.length && digestOf(bytes) === sha256);
  const name = `${time.slice(0, 10)}-${digestOf(record).slice(0, NAME_DIGITS)}`;
  return { name, text, time, code, message, path, patternId, bytes, length, isWhole };
}

/** Whether a kept line is meant. */
export function isMeant({ code, since, until }: RejectedFilter, kept: KeptLine): boolean {
  if (code !== undefined && kept.code !== code) return false;
  const instant = BigInt(Date.parse(kept.time)) * 1_000_000n;
  return (since === undefined || instant >= since) && (until === undefined || instant <= until);
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
