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
/** So many are counted in any case. */
const FEW = 1_000;
const pages = v.pipe(v.number(), v.integer());

export class PatternCounter {
  readonly #db: Connection;
  readonly #first;
  readonly #count;
  readonly #ends;
  readonly #run;
  readonly #before;

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
    this.#run = db
      .prepare<[bigint, bigint, number], bigint>(
        "SELECT seq FROM patterns WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?",
      )
      .pluck()
      .safeIntegers();
    this.#before = db
      .prepare<[bigint, bigint], bigint | null>("SELECT max(seq) FROM patterns WHERE seq >= ? AND seq < ?")
      .pluck()
      .safeIntegers();
  }

  /** Younger rows are counted only as long as they may be the smaller part: the index of a large store is read for long. */
  *countOlderThan(cutoffs: Cutoffs, of: Counted): Generator<void, Census> {
    const { bytes, used } = this.#sizes();
    // A database has nothing to compress.
    if (of === "plain") return { bytes, used, shares: [], isMost: false };
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
    const { counted, isWhole } = yield* this.#countYoung(young, old === 0 ? 0 : Math.max(old, FEW) - rest);
    rest += counted;
    const share = old === 0 ? 0 : used / (isWhole ? old + rest : Math.max(old + rest, this.#rows()));
    const shares = found
      .sort((a, b) => a.day - b.day)
      .map((one) => ({ ...one, bytes: Math.round(one.patterns * share), plainBytes: 0 }));
    return { bytes, used, shares, isMost: old > rest };
  }

  /** From these instants on, by type, until there are so many. */
  *#countYoung(
    young: ReadonlyMap<string, bigint>,
    wanted: number,
  ): Generator<void, { readonly counted: number; readonly isWhole: boolean }> {
    let counted = 0;
    for (const [type, first] of young) {
      for (let from: bigint | null | undefined = first; typeof from === "bigint"; ) {
        if (counted >= wanted) return { counted, isWhole: false };
        const { end, all } = this.#countDay(type, from);
        counted += all;
        yield;
        from = this.#first.get(type, end);
      }
    }
    return { counted, isWhole: true };
  }

  #countDay(
    type: string,
    from: bigint,
  ): { readonly day: number; readonly end: bigint; readonly all: number } {
    const day = dayOf(from);
    const end = startOfDay(day + 1);
    return { day, end, all: this.#count.get(type, from, end) ?? 0 };
  }

  /** About how many there are. Numbers are given in order, and some were deleted: mostly all of a long time. */
  #rows(): number {
    const { first, last } = this.#ends.get() ?? {};
    if (typeof first !== "bigint" || typeof last !== "bigint") return 0;
    const range = last - first + 1n;
    let rows = 0;
    for (let place = 0n; place < PLACES; place += 1n) {
      const start = first + (range * place) / PLACES;
      const end = first + (range * (place + 1n)) / PLACES;
      rows += this.#rowsBetween(start, end);
    }
    return rows;
  }

  /** As if the rows between the first and the last one there stood as densely as the first ones do. */
  #rowsBetween(start: bigint, end: bigint): number {
    const run = this.#run.all(start, end, RUN);
    const [first] = run;
    const last = this.#before.get(start, end);
    const ofRun = run.at(-1);
    if (first === undefined || ofRun === undefined || typeof last !== "bigint") return 0;
    return (run.length / Number(ofRun - first + 1n)) * Number(last - first + 1n);
  }

  #countOld(type: string, from: bigint, end: bigint, all: number, cutoffs: Cutoffs): number {
    const cutoff = cutoffs.of(type);
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
