/** Counting patterns by type and UTC day: one step a day and type, each read from an index alone. */
import * as v from "valibot";
import type { Census, Share } from "../backend.ts";
import type { Cutoffs } from "../cutoffs.ts";
import { dayOf, startOfDay } from "../days.ts";
import type { Connection } from "./driver.ts";

const BEFORE_ALL = -(2n ** 63n);
const pages = v.pipe(v.number(), v.integer());

export class PatternCounter {
  readonly #db: Connection;
  readonly #first;
  readonly #count;

  constructor(db: Connection) {
    this.#db = db;
    this.#first = db
      .prepare<[string, bigint], bigint | null>(
        "SELECT min(instant) FROM patterns WHERE pattern_type = ? AND instant >= ?",
      )
      .pluck()
      .safeIntegers();
    this.#count = db
      .prepare<[string, bigint, bigint], number>(
        "SELECT count(*) FROM patterns WHERE pattern_type = ? AND instant >= ? AND instant < ?",
      )
      .pluck();
  }

  *countOlderThan(cutoffs: Cutoffs): Generator<void, Census> {
    let patterns = 0;
    const found: Pick<Share, "day" | "type" | "patterns">[] = [];
    for (const type of typesIn(this.#db)) {
      for (let from = this.#first.get(type, BEFORE_ALL); typeof from === "bigint"; ) {
        const day = dayOf(from);
        const end = startOfDay(day + 1);
        const all = this.#count.get(type, from, end) ?? 0;
        patterns += all;
        const old = this.#countOld(type, from, end, all, cutoffs);
        if (old > 0) found.push({ day, type, patterns: old });
        yield;
        from = this.#first.get(type, end) ?? null;
      }
    }
    const { bytes, used } = this.#sizes();
    const share = patterns === 0 ? 0 : used / patterns;
    const shares = found
      .sort((a, b) => a.day - b.day)
      .map((one) => ({ ...one, bytes: Math.round(one.patterns * share), plainBytes: 0 }));
    return { patterns, bytes, shares };
  }

  #countOld(type: string, from: bigint, end: bigint, all: number, cutoffs: Cutoffs): number {
    const cutoff = cutoffs.of(type);
    if (cutoff <= from) return 0;
    const to = cutoff < end ? cutoff : end;
    const old = to === end ? all : (this.#count.get(type, from, to) ?? 0);
    return cutoffs.hasKeepTags ? old - this.#countHeld(type, from, to, cutoffs.keepTags) : old;
  }

  #countHeld(type: string, from: bigint, to: bigint, tags: readonly string[]): number {
    const sql = `SELECT count(DISTINCT t.seq) FROM pattern_tags AS t CROSS JOIN patterns AS p ON p.seq = t.seq
WHERE t.tag IN (${tags.map(() => "?").join(", ")}) AND t.instant >= ? AND t.instant < ? AND p.pattern_type = ?`;
    const held = this.#db.prepare<(string | bigint)[], number>(sql).pluck();
    return held.get(...tags.map((tag) => tag.toWellFormed()), from, to, type) ?? 0;
  }

  /** Of the file, and of the pages that hold something. */
  #sizes(): { readonly bytes: number; readonly used: number } {
    const of = (name: string) => v.parse(pages, this.#db.pragma(name, { simple: true }));
    const page = of("page_size");
    const count = of("page_count");
    return { bytes: count * page, used: (count - of("freelist_count")) * page };
  }
}

/** The types that there are, each looked for when the one before it is done. */
export function* typesIn(db: Connection): Generator<string, void> {
  const next = db
    .prepare<[string], string | null>("SELECT min(pattern_type) FROM patterns WHERE pattern_type > ?")
    .pluck();
  for (let type = next.get(""); typeof type === "string"; type = next.get(type)) yield type;
}
