import { isObject } from "../../pattern/schema.ts";
import { parseTimestamp } from "../../pattern/timestamp.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { Position } from "../backend.ts";

export interface StoredLine extends Position {
  readonly value: Record<string, unknown>;
}

/** A stored line's id and instant; undefined for a line that was put there by hand and is no pattern. */
export function readStored(line: Buffer | string, zone: Zone): StoredLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(typeof line === "string" ? line : line.toString("utf8"));
  } catch {
    return undefined;
  }
  if (!isObject(value) || typeof value.pattern_id !== "string" || typeof value.timestamp !== "string")
    return undefined;
  const instant = parseTimestamp(value.timestamp, zone);
  return instant === undefined ? undefined : { id: value.pattern_id, instant, value };
}

/**
 * The same of a line that is known to be a pattern, without parsing all of it; undefined if that is not safe. Without
 * escapes, what stands once and is required is the key itself, and no nested or second one.
 */
export function glanceAt(line: string, zone: Zone): Position | undefined {
  const instant = instantIn(line, zone);
  const id = instant === undefined ? undefined : onlyText(line, '"pattern_id"');
  return id === undefined || instant === undefined ? undefined : { id, instant };
}

/** The same, of the instant alone. */
export function instantIn(line: string, zone: Zone): bigint | undefined {
  if (line.includes("\\")) return undefined;
  const timestamp = onlyText(line, '"timestamp"');
  return timestamp === undefined ? undefined : parseTimestamp(timestamp, zone);
}

const VALUE = /\s*:\s*"([^"]*)"/y;

function onlyText(line: string, key: string): string | undefined {
  const at = line.indexOf(key);
  if (at === -1 || line.includes(key, at + key.length)) return undefined;
  VALUE.lastIndex = at + key.length;
  return VALUE.exec(line)?.[1];
}
