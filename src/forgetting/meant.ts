/** Which lines outside of the store are meant when patterns are to be forgotten. */

import { isObject } from "../pattern/schema.ts";
import { parseTimestamp } from "../pattern/timestamp.ts";
import type { Zone } from "../pattern/zone.ts";
import type { Filter } from "../store/filter.ts";
import { contentMatcher } from "../store/filter.ts";
import type { WrittenIds } from "./written-ids.ts";

/** A line as it was received, or what is left of it. */
export type IsMeant = (line: Buffer) => boolean;

/** Those with these ids; a line that is no JSON, or only a part of one, is meant when an id stands in it. */
export function withIds(ids: WrittenIds): IsMeant {
  return (line) => {
    const value = parsed(line);
    if (isObject(value) && typeof value.pattern_id === "string") return ids.has(value.pattern_id);
    return ids.standIn(line);
  };
}

/** Those that a question would find, had they been stored. */
export function matching(filter: Filter, zone: Zone): IsMeant {
  const matches = contentMatcher(filter);
  return (line) => {
    const value = parsed(line);
    if (!isObject(value)) return false;
    if (filter.patternType !== undefined && value.pattern_type !== filter.patternType) return false;
    if (filter.start !== undefined || filter.end !== undefined) {
      const instant = typeof value.timestamp === "string" ? parseTimestamp(value.timestamp, zone) : undefined;
      if (instant === undefined || instant < (filter.start ?? instant) || instant > (filter.end ?? instant))
        return false;
    }
    return matches?.(line.toString("utf8")) ?? true;
  };
}

export function anyOf(...all: readonly IsMeant[]): IsMeant {
  return (line) => all.some((isMeant) => isMeant(line));
}

function parsed(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString("utf8"));
  } catch {
    return undefined;
  }
}
