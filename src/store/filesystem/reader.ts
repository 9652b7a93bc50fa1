/** Questions to the segments. Needs no lock and nothing of the writer: what is on disk is enough. */
import { isObject } from "../../pattern/schema.ts";
import { parseTimestamp } from "../../pattern/timestamp.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { Page, PageRequest, Position } from "../backend.ts";
import { contentMatcher, type Filter } from "../filter.ts";
import { DayView } from "./day.ts";
import { dayOf, listDays } from "./layout.ts";
import { comparePositions, PageCollector } from "./page.ts";
import { NOTHING, type Progress } from "./replaced.ts";

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
    const days = new Days(this.#root, filter.patternType);
    for (const day of days.all) {
      if (newest !== undefined && day > dayOf(newest)) continue;
      if (filter.start !== undefined && day < dayOf(filter.start)) break;
      days.read(day, (line) => {
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
    let line: string | undefined;
    const days = new Days(this.#root, undefined);
    for (const day of days.all) {
      days.read(day, (candidate) => {
        // An id may be written with escapes: only a line without any can be passed over unread.
        if (!candidate.includes(plain) && !candidate.includes("\\")) return;
        if (readStored(candidate, this.#zone)?.id === id) line = candidate.toString("utf8");
      });
      if (line !== undefined) return line;
    }
    return undefined;
  }
}

/**
 * The days as one question reads them. What came to a day after it was read, or after the days were listed, did
 * not come for this question: a version that is read later is not replaced by it.
 */
class Days {
  /** Newest first. */
  readonly all: readonly number[];
  readonly #root: string;
  readonly #type: string | undefined;
  readonly #listed: ReadonlySet<number>;
  readonly #seen = new Map<number, ReadonlyMap<string, Progress>>();

  constructor(root: string, type: string | undefined) {
    this.#root = root;
    this.#type = type;
    this.all = listDays(root);
    this.#listed = new Set(this.all);
  }

  /** Every line that counts. */
  read(day: number, visit: (line: Buffer) => void): void {
    const view = DayView.open(this.#root, day, this.#type, this.#progressOf);
    try {
      this.#seen.set(day, view.progress);
      view.read(visit);
    } finally {
      view.close();
    }
  }

  readonly #progressOf = (day: number, type: string): Progress => {
    if (!this.#listed.has(day)) return NOTHING;
    const seen = this.#seen.get(day);
    if (seen && (this.#type === undefined || this.#type === type)) return seen.get(type) ?? NOTHING;
    const view = DayView.open(this.#root, day, type, () => NOTHING);
    view.close();
    return view.progress.get(type) ?? NOTHING;
  };
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
