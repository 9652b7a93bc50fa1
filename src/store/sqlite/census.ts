/** Counting patterns by type and UTC day: one step a day and type, each read from an index alone. */
import * as v from "valibot";
import type { Census, Counted, Share } from "../backend.ts";
import type { Cutoffs } from "../cutoffs.ts";
import { dayOf, startOfDay } from "../days.ts";
import type { Connection } from "./driver.ts";

const BEFORE_ALL = -(2n ** 63n);
/** In so many places so many rows are looked at. */
const PLACES = 64n;
const RUN = 16;
const pages = v.pipe(v.number(), v.integer());

export class PatternCounter {
  readonly #db: Connection;
  readonly #first;
  readonly #count;
  readonly #ends;
  readonly #nth;
  readonly #between;

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
    this.#ends = db
      .prepare<[], { first: bigint | null; last: bigint | null }>(
        "SELECT (SELECT min(seq) FROM patterns) AS first, (SELECT max(seq) FROM patterns) AS last",
      )
      .safeIntegers();
    this.#nth = db
      .prepare<[bigint, number], bigint>(
        "SELECT seq FROM patterns WHERE seq >= ? ORDER BY seq LIMIT 1 OFFSET ?",
      )
      .pluck()
      .safeIntegers();
    this.#between = db
      .prepare<[bigint, bigint], number>("SELECT count(*) FROM patterns WHERE seq BETWEEN ? AND ?")
      .pluck();
  }

  /** Younger rows are counted only as long as they may be the smaller part: the index of a large store is read for long. */
  *countOlderThan(cutoffs: Cutoffs, of: Counted): Generator<void, Census> {
    const { bytes, used } = this.#sizes();
    // A database has nothing to compress.
    if (of === "plain") return { bytes, shares: [], isMost: false };
    const found: Pick<Share, "day" | "type" | "patterns">[] = [];
    const young = new Map<string, bigint>();
    let old = 0;
    let rest = 0;
    for (const type of typesIn(this.#db)) {
      let from = this.#first.get(type, BEFORE_ALL);
      while (typeof from === "bigint" && from < cutoffs.of(type)) {
        const { day, end, all } = this.#countDay(type, from);
        const patterns = this.#countOld(type, from, end, all, cutoffs);
        if (patterns > 0) found.push({ day, type, patterns });
        old += patterns;
        rest += all - patterns;
        yield;
        from = this.#first.get(type, end);
      }
      if (typeof from === "bigint") young.set(type, from);
    }
    for (const [type, first] of young) {
      for (let from: bigint | null | undefined = first; typeof from === "bigint" && old > rest; ) {
        const { end, all } = this.#countDay(type, from);
        rest += all;
        yield;
        from = this.#first.get(type, end);
      }
    }
    const isMost = old > rest;
    const share = old === 0 ? 0 : used / (isMost ? old + rest : this.#rows());
    const shares = found
      .sort((a, b) => a.day - b.day)
      .map((one) => ({ ...one, bytes: Math.round(one.patterns * share), plainBytes: 0 }));
    return { bytes, shares, isMost };
  }

  #countDay(
    type: string,
    from: bigint,
  ): { readonly day: number; readonly end: bigint; readonly all: number } {
    const day = dayOf(from);
    const end = startOfDay(day + 1);
    return { day, end, all: this.#count.get(type, from, end) ?? 0 };
  }

  /** About how many there are: how densely the numbers are taken is looked at in some places. */
  #rows(): number {
    const { first, last } = this.#ends.get() ?? {};
    if (typeof first !== "bigint" || typeof last !== "bigint") return 0;
    const range = last - first + 1n;
    let density = 0;
    for (let place = 0n; place < PLACES; place += 1n) {
      const from = first + (range * place) / PLACES;
      const to = this.#nth.get(from, RUN - 1) ?? last;
      const rows = this.#between.get(from, to) ?? 0;
      density += rows / Number(to - from + 1n);
    }
    return (Number(range) * density) / Number(PLACES);
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
