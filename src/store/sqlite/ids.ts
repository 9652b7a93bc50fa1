/**
 * Which rows a pattern's id may be in, by the hash of the id. Ids are random: in an index that is larger than SQLite's
 * cache each new one costs a page that is read and a page that is written. So what is new gathers in a small table, and
 * once that is full, runs of neighbours go on to the large one, one after the other through all of it: the rolling merge of
 * log-structured merge trees (O'Neil et al., 1996). A removed id, too, stands in the small table, `is_gone`, until the
 * merge comes by. What the small one says goes.
 */
import { hashId, numberOf } from "../../pattern/id-hash.ts";
import type { Connection } from "./driver.ts";

/** The condition for the row of an id; binds what `rowOf` answers. */
export const HAS_ID = `
seq IN (SELECT seq FROM ids_recent WHERE hash = ? UNION ALL SELECT seq FROM ids_settled WHERE hash = ?)
AND pattern_id = ?`;

/** Of hashes in one JSON text: a call for each would cost more than the search. */
const AMONG = `
SELECT value FROM json_each(?)
WHERE EXISTS (SELECT 1 FROM ids_recent WHERE hash = value) OR EXISTS (SELECT 1 FROM ids_settled WHERE hash = value)`;
/** For rows that follow one another, in the order in which they go into the table. */
const PUT = `
INSERT INTO ids_recent (hash, seq, is_gone) SELECT value, ? + key, ? FROM json_each(?) WHERE true ORDER BY 1
ON CONFLICT DO UPDATE SET is_gone = excluded.is_gone`;
const LAST_OF_RUN = "SELECT hash FROM ids_recent WHERE hash > ? ORDER BY hash LIMIT 1 OFFSET ?";
const RUN = "FROM ids_recent WHERE hash > ? AND hash <= ?";
const SETTLE = `
INSERT INTO ids_settled (hash, seq) SELECT hash, seq ${RUN} AND NOT is_gone ORDER BY hash, seq ON CONFLICT DO NOTHING`;
const DROP_GONE = `DELETE FROM ids_settled WHERE (hash, seq) IN (SELECT hash, seq ${RUN} AND is_gone)`;

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
const BEFORE_ALL = -(2 ** 53);
const AFTER_ALL = 2 ** 53;

export class IdIndex {
  readonly #among;
  readonly #put;
  readonly #count;
  readonly #lastOfRun;
  readonly #settle;
  readonly #dropGone;
  readonly #clear;
  /** How many entries the small table has; about, between two rounds, since a transaction may be rolled back. */
  #recent: number | undefined;
  #settledTo = BEFORE_ALL;
  readonly #limits;

  constructor(db: Connection, limits = LIMITS) {
    this.#limits = limits;
    this.#among = db.prepare<[string], number>(AMONG).pluck();
    this.#put = db.prepare<[number | bigint, number, string]>(PUT);
    this.#count = db.prepare<[], number>("SELECT count(*) FROM ids_recent").pluck();
    this.#lastOfRun = db.prepare<[number, number], number>(LAST_OF_RUN).pluck();
    this.#settle = db.prepare<[number, number]>(SETTLE);
    this.#dropGone = db.prepare<[number, number]>(DROP_GONE);
    this.#clear = db.prepare<[number, number]>(`DELETE ${RUN}`);
  }

  /** Those that a row may have. */
  among(hashes: readonly number[]): Set<number> {
    return new Set(this.#among.all(JSON.stringify(hashes)));
  }

  /** Of rows that follow one another, from `first` on. */
  add(hashes: readonly number[], first: number | bigint): void {
    this.#note(hashes, first, 0);
  }

  remove(hash: number, seq: number | bigint): void {
    this.#note([hash], seq, 1);
  }

  #note(hashes: readonly number[], first: number | bigint, isGone: 0 | 1): void {
    this.#put.run(first, isGone, JSON.stringify(hashes));
    if (this.#recent !== undefined) this.#recent += hashes.length;
  }

  /** Makes room for what came in since the last time; within the transaction of whoever put it in. */
  settle(): void {
    this.#recent ??= this.#count.get() ?? 0;
    const { mostRecent, run } = this.#limits;
    while (this.#recent >= mostRecent + run) this.#recent = this.#settleRun(this.#recent);
  }

  #settleRun(recent: number): number {
    const from = this.#settledTo;
    const last = this.#lastOfRun.get(from, this.#limits.run - 1);
    const to = last ?? AFTER_ALL;
    this.#settle.run(from, to);
    this.#dropGone.run(from, to);
    const { changes } = this.#clear.run(from, to);
    this.#settledTo = last ?? BEFORE_ALL;
    return last === undefined ? (this.#count.get() ?? 0) : recent - changes;
  }
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

/** What HAS_ID binds. */
export function rowOf(id: string): [hash: number, hash: number, id: string] {
  const hash = hashOf(id);
  return [hash, hash, id];
}
