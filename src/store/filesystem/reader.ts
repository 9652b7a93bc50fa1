/** Questions to the segments. Needs no lock and nothing of the writer: what is on disk is enough. */
import { closeSync, openSync, statSync } from "node:fs";
import { isObject } from "../../pattern/schema.ts";
import { parseTimestamp } from "../../pattern/timestamp.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { Page, PageRequest, Position } from "../backend.ts";
import { contentMatcher, type Filter } from "../filter.ts";
import { dayOf, listDays, listTypes, segmentPath } from "./layout.ts";
import { readLines } from "./lines.ts";
import { comparePositions, PageCollector } from "./page.ts";
import { readReplaced } from "./replaced.ts";

type Visit = (line: Buffer, type: string, offset: number) => void;

export class SegmentReader {
  readonly #root: string;
  readonly #zone: Zone;

  constructor(root: string, zone: Zone) {
    this.#root = root;
    this.#zone = zone;
  }

  /** Reads only the days that can hold answers, newest first, and stops when the page is full. */
  query(filter: Filter, request: PageRequest): Page {
    const page = new PageCollector(request);
    const { after } = request;
    const newest = lesser(filter.end, after?.instant);
    const matches = contentMatcher(filter);
    const sizes = new Sizes(this.#root);
    for (const day of listDays(this.#root)) {
      if (newest !== undefined && day > dayOf(newest)) continue;
      if (filter.start !== undefined && day < dayOf(filter.start)) break;
      this.#readDay(day, sizes, filter.patternType, (line) => {
        const found = readStored(line, this.#zone);
        if (!found || (newest !== undefined && found.instant > newest)) return;
        if (filter.start !== undefined && found.instant < filter.start) return;
        if (after && comparePositions(found, after) <= 0) return;
        if (matches(found.value))
          page.add({ instant: found.instant, id: found.id, line: line.toString("utf8"), bytes: line.length });
      });
      if (page.isFull) break;
    }
    return page.page();
  }

  get(id: string): string | undefined {
    const plain = Buffer.from(id, "utf8");
    const sizes = new Sizes(this.#root);
    let line: string | undefined;
    for (const day of listDays(this.#root)) {
      this.#readDay(day, sizes, undefined, (candidate) => {
        // An id may be written with escapes: only a line without any can be passed over unread.
        if (!candidate.includes(plain) && !candidate.includes("\\")) return;
        if (readStored(candidate, this.#zone)?.id === id) line = candidate.toString("utf8");
      });
      if (line !== undefined) return line;
    }
    return undefined;
  }

  /** Every line that counts. Sizes are taken before the marks are read (see replaced.ts). */
  #readDay(day: number, sizes: Sizes, type: string | undefined, visit: Visit): void {
    const segments = sizes.visit(day);
    const replaced = readReplaced(this.#root, day, (byDay, byType) => sizes.of(byDay, byType));
    for (const [name, size] of segments) {
      if (size === 0 || (type !== undefined && type !== name)) continue;
      const gone = replaced.get(name);
      const fd = openSync(segmentPath(this.#root, day, name), "r");
      try {
        readLines(fd, size, (line, offset) => {
          if (!gone?.has(offset)) visit(line, name, offset);
        });
      } finally {
        closeSync(fd);
      }
    }
  }
}

/** The segments' sizes as one question sees them: each is looked at once, and a visited day does not grow. */
class Sizes {
  readonly #root: string;
  readonly #days = new Map<number, Map<string, number>>();
  readonly #visited = new Set<number>();

  constructor(root: string) {
    this.#root = root;
  }

  visit(day: number): ReadonlyMap<string, number> {
    for (const type of listTypes(this.#root, day)) this.of(day, type);
    this.#visited.add(day);
    return this.#days.get(day) ?? new Map();
  }

  of(day: number, type: string): number {
    const known = this.#days.get(day)?.get(type);
    if (known !== undefined || this.#visited.has(day)) return known ?? 0;
    const size = statSync(segmentPath(this.#root, day, type), { throwIfNoEntry: false })?.size ?? 0;
    const ofDay = this.#days.get(day) ?? new Map<string, number>();
    this.#days.set(day, ofDay.set(type, size));
    return size;
  }
}

interface Stored extends Position {
  readonly value: Record<string, unknown>;
}

/** A stored line's id and instant; undefined for a line that was put there by hand and is no pattern. */
export function readStored(line: Buffer, zone: Zone): Stored | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch {
    return undefined;
  }
  if (!isObject(value) || typeof value.pattern_id !== "string" || typeof value.timestamp !== "string")
    return undefined;
  const instant = parseTimestamp(value.timestamp, zone);
  return instant === undefined ? undefined : { id: value.pattern_id, instant, value };
}

function lesser(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}
