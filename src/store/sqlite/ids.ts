/**
 * Which rows a pattern's id may be in, by the hash of the id. Ids are random: in an index that is larger than SQLite's
 * cache each new one costs a page that is read and a page that is written. So what is new gathers in a small table, and
 * once that is full, runs of neighbours go on to the large one, one after the other through all of it: the rolling merge of
 * log-structured merge trees (O'Neil et al., 1996). An entry may lead to a row that is gone, or is another's by now: the row
 * itself says whose it is. Most of what a deletion leaves is swept out (id-sweep.ts).
 */
import { hashId, numberOf } from "../../pattern/id-hash.ts";
import type { Connection } from "./driver.ts";

/**
 * The condition of an id's row; binds what `rowsOf` answers, and the id. Not one statement with the search for it: where
 * statistics say that there is one row, SQLite would look at every row.
 */
export const IS_ROW = "seq = ? AND pattern_id = ?";

/** Of hashes in one JSON text: a call for each would cost more than the search. */
const AMONG = `
SELECT value FROM json_each(?)
WHERE EXISTS (SELECT 1 FROM ids_recent WHERE hash = value) OR EXISTS (SELECT 1 FROM ids_settled WHERE hash = value)`;
/** For rows that follow one another, in the order in which they go into the table. */
const PUT = `
INSERT INTO ids_recent (hash, seq) SELECT value, ? + key FROM json_each(?) WHERE true ORDER BY 1 ON CONFLICT DO NOTHING`;
export const ROWS_OF_HASH =
  "SELECT seq FROM ids_recent WHERE hash = ? UNION ALL SELECT seq FROM ids_settled WHERE hash = ?";
export const ID_TABLES = ["ids_recent", "ids_settled"] as const;
const WITHIN = "hash > ? AND hash <= ?";
const SETTLE = `
INSERT INTO ids_settled (hash, seq) SELECT hash, seq FROM ids_recent WHERE ${WITHIN} ORDER BY hash, seq
ON CONFLICT DO NOTHING`;

/** In entries. */
export interface IdLimits {
  readonly mostRecent: number;
  /** How many go on together. */
  readonly run: number;
}

/**
 * Each new entry changes a page of the small table, each run that goes on a page for every few of its entries: with ten
 * million patterns both cost about the same, with less the small one decides.
 */
const LIMITS: IdLimits = { mostRecent: 100_000, run: 1_000 };
/** No hash is as small, or as large. */
export const BEFORE_ALL = -(2 ** 53);
export const AFTER_ALL = 2 ** 53;

export class IdIndex {
  readonly #among;
  readonly #put;
  readonly #count;
  readonly #settle;
  readonly #clear;
  readonly #lastOfRun;
  readonly #removals;
  /** How many entries the small table has; about, until the merge has come round. */
  #recent: number | undefined;
  #settledTo = BEFORE_ALL;
  readonly #limits;

  constructor(db: Connection, limits = LIMITS) {
    this.#limits = limits;
    this.#among = db.prepare<[string], number>(AMONG).pluck();
    this.#put = db.prepare<[number | bigint, string]>(PUT);
    this.#count = db.prepare<[], number>("SELECT count(*) FROM ids_recent").pluck();
    this.#settle = db.prepare<[number, number]>(SETTLE);
    this.#clear = db.prepare<[number, number]>(`DELETE FROM ids_recent WHERE ${WITHIN}`);
    this.#lastOfRun = runFinder(db, "ids_recent");
    this.#removals = ID_TABLES.map((table) =>
      db.prepare<[number, number | bigint]>(`DELETE FROM ${table} WHERE hash = ? AND seq = ?`),
    );
  }

  /** Those that a row may have. */
  among(hashes: readonly number[]): Set<number> {
    return new Set(this.#among.all(JSON.stringify(hashes)));
  }

  /** Of rows that follow one another, from `first` on. */
  add(hashes: readonly number[], first: number | bigint): void {
    this.#put.run(first, JSON.stringify(hashes));
    if (this.#recent !== undefined) this.#recent += hashes.length;
  }

  remove(hash: number, seq: number | bigint): void {
    for (const removal of this.#removals) removal.run(hash, seq);
  }

  /** Makes room for what came in since the last time; within the transaction of whoever put it in. */
  settle(): void {
    this.#recent ??= this.#count.get() ?? 0;
    const { mostRecent, run } = this.#limits;
    while (this.#recent >= mostRecent + run) this.#recent = this.#settleRun(this.#recent);
  }

  #settleRun(recent: number): number {
    const from = this.#settledTo;
    const last = this.#lastOfRun(from, this.#limits.run);
    const to = last ?? AFTER_ALL;
    this.#settle.run(from, to);
    const { changes } = this.#clear.run(from, to);
    this.#settledTo = last ?? BEFORE_ALL;
    return last === undefined ? (this.#count.get() ?? 0) : recent - changes;
  }
}

/** Answers the last hash of so many entries after a hash; undefined if there are not so many. */
export function runFinder(
  db: Connection,
  table: (typeof ID_TABLES)[number],
): (from: number, entries: number) => number | undefined {
  const sql = `SELECT hash FROM ${table} WHERE hash > ? ORDER BY hash LIMIT 1 OFFSET ?`;
  const last = db.prepare<[number, number], number>(sql).pluck();
  return (from, entries) => last.get(from, entries - 1);
}

/** Answers the rows that a hash leads to, which may be another id's, or gone. */
export function rowFinder(db: Connection): (hash: number) => readonly bigint[] {
  const rows = db.prepare<[number, number], bigint>(ROWS_OF_HASH).pluck().safeIntegers();
  // An entry may stand in both tables.
  return (hash) => [...new Set(rows.all(hash, hash))];
}

/** The first of what `read` answers for these rows. */
export function firstOf<T>(rows: readonly bigint[], read: (seq: bigint) => T | undefined): T | undefined {
  for (const seq of rows) {
    const found = read(seq);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The hashes of a batch: which of them a row may have, and those of new rows, which go into the index many at a time. */
export class BatchIds {
  readonly #index: IdIndex;
  readonly #hashes: readonly number[];
  readonly #seen: Set<number>;
  #first = 0;
  #added: number[] = [];

  constructor(index: IdIndex, hashes: readonly number[]) {
    this.#index = index;
    this.#hashes = hashes;
    this.#seen = index.among(hashes);
  }

  hashAt(place: number): number {
    return this.#hashes[place] ?? 0;
  }

  /** Whether there may be a row of it already. */
  has(hash: number): boolean {
    return this.#seen.has(hash);
  }

  add(hash: number, seq: number): void {
    if (seq !== this.#first + this.#added.length) this.flush();
    if (this.#added.length === 0) this.#first = seq;
    this.#added.push(hash);
    this.#seen.add(hash);
  }

  /** Before a row is looked for, and at the end. */
  flush(): void {
    if (this.#added.length > 0) this.#index.add(this.#added, this.#first);
    this.#added = [];
  }
}

/** Fills both tables anew from the patterns' own column, within the transaction of whoever asks. */
export function indexIds(db: Connection): void {
  db.function("id_hash", { deterministic: true }, (id) => hashOf(String(id)));
  db.exec(`
DELETE FROM ids_recent;
DELETE FROM ids_settled;
INSERT INTO ids_settled (hash, seq) SELECT id_hash(pattern_id), seq FROM patterns ORDER BY 1, 2;`);
}

/** As it stands in both tables. */
export function hashOf(id: string): number {
  return numberOf(hashId(id));
}
