/** A line that is stored already: nobody judges it again, what is indexed is bound from it once more. */
import { hashId } from "./id-hash.ts";
import { indexedFields } from "./parse.ts";
import type { Pattern } from "./pattern.ts";
import { isObject } from "./schema.ts";
import { parseTimestamp } from "./timestamp.ts";
import type { Zone } from "./zone.ts";

/** `zone`: the store's, for a timestamp without one. Undefined if the line holds no pattern (put there by hand). */
export function storedPattern(line: string, zone: Zone): Pattern | undefined {
  const value = parsed(line);
  if (!isObject(value)) return undefined;
  const { pattern_id: id, pattern_type: type, timestamp } = value;
  if (typeof id !== "string" || typeof type !== "string" || typeof timestamp !== "string") return undefined;
  const instant = parseTimestamp(timestamp, zone);
  if (instant === undefined) return undefined;
  const bytes = Buffer.from(line, "utf8");
  return {
    id,
    hash: hashId(id),
    type,
    timestamp,
    instant,
    ...indexedFields(value),
    line: bytes,
    lineBytes: bytes.byteLength,
  };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
