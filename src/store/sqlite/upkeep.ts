/**
 * What makes a database smaller, in steps of a few milliseconds: a single DELETE of many rows would hold SQLite's one
 * write lock for as long as it takes. Steps of a deletion wait for no disk: what a power cut takes back of them is
 * old still, and whoever saves a pattern after them makes them durable with it.
 */
import * as v from "valibot";
import { PatterndError } from "../../errors.ts";
import { indexedFields } from "../../pattern/parse.ts";
import { isObject } from "../../pattern/schema.ts";
import type { OnDeleted } from "../backend.ts";
import type { Cutoffs } from "../cutoffs.ts";
import { typesIn } from "./census.ts";
import type { Connection } from "./driver.ts";
import { BUSY_MS, optimize } from "./file.ts";
import { IdSweep } from "./id-sweep.ts";
import { hashOf, type IdIndex, IS_ROW, rowFinder } from "./ids.ts";
import { StepSize } from "./step-size.ts";
import type { WordIndex } from "./words.ts";

/** A row as far as its removal needs it. */
export interface Known {
  readonly seq: bigint;
  readonly instant: bigint;
  readonly line: Buffer;
}

const COLUMNS = "seq, instant, CAST(line AS BLOB) AS line";
export const KNOWN = `SELECT ${COLUMNS} FROM patterns WHERE ${IS_ROW}`;
const OLDER = `SELECT ${COLUMNS} FROM patterns WHERE instant < ? ORDER BY instant LIMIT ?`;
const OLDER_OF_TYPE = `
SELECT ${COLUMNS} FROM patterns WHERE pattern_type = ? AND instant < ? AND (instant, seq) > (?, ?)
ORDER BY instant, seq LIMIT ?`;

const STEP_MS = 12;
/** What a step has not come to by then, since the disk is slow just now, is the next one's. */
const LATE_MS = 20;
/** Rows to a transaction, and pages to be given back in one go: at first, and at most. */
const ROWS = [200, 2_000] as const;
const PAGES = [100, 2_000] as const;

/** About as many pages as saving lets the WAL grow to. */
const CHECKPOINT_STEPS = 30;

/** How long, in all, whoever reads may keep the WAL from being emptied: so many steps of so many milliseconds. */
const TRUNCATE_TRIES = 200;
const TRUNCATE_MS = 20;

const BEFORE_ALL = -(2n ** 63n);
const integer = v.pipe(v.number(), v.integer());
const checkpoint = v.tuple([v.object({ busy: integer })]);

export class DatabaseUpkeep {
  readonly #db: Connection;
  readonly #ids: IdIndex;
  readonly #words: readonly [tags: WordIndex, agents: WordIndex];
  readonly #synchronous: number;
  readonly #checkpointPages: number;
  readonly #changes;
  /** Since somebody saved, who then does the checkpoints; and how many rows were changed after the last step. */
  #stepsInWal = 0;
  #changesBefore: number | undefined;
  readonly #rowsOf;
  readonly #sweep;
  #lastRemoved = BEFORE_ALL;
  readonly #older;
  readonly #olderOfType;
  readonly #known;
  readonly #delete;
  readonly #rows = new StepSize(...ROWS, STEP_MS);
  readonly #pages = new StepSize(...PAGES, STEP_MS);

  constructor(db: Connection, ids: IdIndex, words: readonly [WordIndex, WordIndex]) {
    this.#db = db;
    this.#ids = ids;
    this.#words = words;
    this.#synchronous = v.parse(integer, db.pragma("synchronous", { simple: true }));
    this.#checkpointPages = v.parse(integer, db.pragma("wal_autocheckpoint", { simple: true }));
    this.#changes = db.prepare<[], number>("SELECT total_changes()").pluck();
    this.#older = db.prepare<[bigint, number], Known>(OLDER).safeIntegers();
    this.#olderOfType = db.prepare<(string | bigint | number)[], Known>(OLDER_OF_TYPE).safeIntegers();
    this.#known = db.prepare<[bigint, string], Known>(KNOWN).safeIntegers();
    this.#rowsOf = rowFinder(db);
    this.#sweep = new IdSweep(db);
    this.#delete = db.prepare<[bigint]>("DELETE FROM patterns WHERE seq = ?");
  }

  /** Oldest first, or oldest first of each type; then gives the space back to the file system. */
  *deleteOlderThan(cutoffs: Cutoffs, onDeleted: OnDeleted): Generator<void, number> {
    let deleted = 0;
    if (cutoffs.isPlain) deleted = yield* this.#deletePlain(cutoffs.standard, onDeleted);
    else {
      for (const type of typesIn(this.#db)) deleted += yield* this.#deleteOfType(type, cutoffs, onDeleted);
    }
    if (this.#sweep.isDue) yield* this.#sweepIds();
    yield* this.#giveBackSpace();
    return deleted;
  }

  /** A database has no files to compress: what serves it instead is done, and none is counted. */
  *compress(): Generator<void, number> {
    optimize(this.#db);
    yield;
    yield* this.#giveBackSpace();
    this.#db.pragma("wal_checkpoint(PASSIVE)");
    return 0;
  }

  /** What is removed is overwritten, and what was copied of it into the WAL is gone when this ends. */
  *forget(ids: readonly string[]): Generator<void, number> {
    let forgotten = 0;
    this.#db.pragma("secure_delete = ON");
    try {
      for (let at = 0; at < ids.length; yield) {
        const some = ids.slice(at, at + this.#rows.next);
        this.#rows.timed(() => {
          const forget = this.#db.transaction(() => this.#inTime(some, (id) => this.#forget(id)));
          const { looked, removed } = forget.immediate();
          at += looked;
          forgotten += removed;
        });
      }
      yield* this.#giveBackSpace();
      yield* this.#emptyWal();
      return forgotten;
    } finally {
      this.#db.pragma("secure_delete = FAST");
    }
  }

  /** Which words a version had is in its line; an index by `seq` would cost every insertion. */
  dropWords({ line, instant, seq }: Known): readonly string[] {
    const value: unknown = JSON.parse(line.toString("utf8"));
    const { tags, agents } = indexedFields(isObject(value) ? value : {});
    this.#words[0].remove(tags, instant, seq);
    this.#words[1].remove(agents, instant, seq);
    return tags;
  }

  *#deletePlain(cutoff: bigint, onDeleted: OnDeleted): Generator<void, number> {
    let deleted = 0;
    for (let more = true; more; yield* this.#pause()) {
      const removed = this.#step((size) => {
        const rows = this.#older.all(cutoff, size);
        const { looked, removed } = this.#inTime(rows, (row) => this.#remove(row));
        more = looked < rows.length || rows.length === size;
        return removed;
      });
      deleted += removed;
      if (removed > 0) onDeleted(removed);
    }
    return deleted;
  }

  *#deleteOfType(type: string, cutoffs: Cutoffs, onDeleted: OnDeleted): Generator<void, number> {
    let deleted = 0;
    let last: Pick<Known, "instant" | "seq"> = { instant: BEFORE_ALL, seq: 0n };
    for (let more = true; more; yield* this.#pause()) {
      const removed = this.#step((size) => {
        const rows = this.#olderOfType.all(type, cutoffs.of(type), last.instant, last.seq, size);
        const { looked, removed } = this.#inTime(rows, (row) => {
          const isHeld = cutoffs.hasKeepTags && cutoffs.isHeld(tagsOf(row));
          return !isHeld && this.#remove(row);
        });
        last = rows[looked - 1] ?? last;
        more = looked < rows.length || rows.length === size;
        return removed;
      });
      deleted += removed;
      if (removed > 0) onDeleted(removed);
    }
    return deleted;
  }

  #remove(row: Known): boolean {
    this.dropWords(row);
    this.#delete.run(row.seq);
    if (row.seq > this.#lastRemoved) this.#lastRemoved = row.seq;
    return true;
  }

  #forget(id: string): boolean {
    if (!id.isWellFormed()) return false;
    const hash = hashOf(id);
    const rows = this.#rowsOf(hash).flatMap((seq) => this.#known.get(seq, id) ?? []);
    for (const row of rows) {
      this.#ids.remove(hash, row.seq);
      this.#remove(row);
    }
    return rows.length > 0;
  }

  /** One by one, at least one; how many were looked at, and for how many it was true. */
  #inTime<T>(all: readonly T[], remove: (one: T) => boolean): { looked: number; removed: number } {
    const started = performance.now();
    let looked = 0;
    let removed = 0;
    for (const one of all) {
      if (looked > 0 && performance.now() - started > LATE_MS) break;
      if (remove(one)) removed += 1;
      looked += 1;
    }
    return { looked, removed };
  }

  #step(work: (size: number) => number): number {
    return this.#rows.timed((size) =>
      this.#unsynced(() =>
        this.#db
          .transaction(() => {
            const removed = work(size);
            this.#sweep.noteRemoved(removed, this.#lastRemoved);
            return removed;
          })
          .immediate(),
      ),
    );
  }

  *#sweepIds(): Generator<void, void> {
    const step = this.#db.transaction((work: () => boolean) => {
      const started = performance.now();
      while (work() && performance.now() - started < STEP_MS);
    });
    for (const _ of this.#sweep.sweep((work) => this.#unsynced(() => step.immediate(work))))
      yield* this.#pause();
  }

  *#giveBackSpace(): Generator<void, void> {
    for (let free = this.#freePages(); free > 0; yield* this.#pause()) {
      this.#pages.timed((size) => this.#unsynced(() => this.#db.pragma(`incremental_vacuum(${size})`)));
      const left = this.#freePages();
      // Where it gives nothing back, it never will: such a database was not made to.
      free = left < free ? left : 0;
    }
  }

  /** Steps have no share in the checkpoints of saving; where nobody saves, a step of its own does one. */
  *#pause(): Generator<void, void> {
    yield;
    if (this.#stepsInWal < CHECKPOINT_STEPS) return;
    this.#stepsInWal = 0;
    this.#db.pragma("wal_checkpoint(PASSIVE)");
    yield;
  }

  #unsynced<T>(work: () => T): T {
    this.#db.pragma("synchronous = NORMAL");
    this.#db.pragma("wal_autocheckpoint = 0");
    try {
      this.#stepsInWal = this.#changes.get() === this.#changesBefore ? this.#stepsInWal + 1 : 1;
      return work();
    } finally {
      this.#changesBefore = this.#changes.get();
      this.#db.pragma(`wal_autocheckpoint = ${this.#checkpointPages}`);
      this.#db.pragma(`synchronous = ${this.#synchronous}`);
    }
  }

  *#emptyWal(): Generator<void, void> {
    for (let tries = 0; tries < TRUNCATE_TRIES; tries += 1) {
      this.#db.pragma(`busy_timeout = ${TRUNCATE_MS}`);
      const [{ busy }] = v.parse(checkpoint, this.#db.pragma("wal_checkpoint(TRUNCATE)"));
      this.#db.pragma(`busy_timeout = ${BUSY_MS}`);
      if (busy === 0) return;
      yield;
    }
    throw new PatterndError("store_failed", `what was removed stands in ${this.#db.name}-wal still`, {
      hint: "Somebody reads the database for long (a backup, a shell): forget the same again when that has ended.",
    });
  }

  #freePages(): number {
    return v.parse(integer, this.#db.pragma("freelist_count", { simple: true }));
  }
}

function tagsOf({ line }: Known): readonly string[] {
  const value: unknown = JSON.parse(line.toString("utf8"));
  return indexedFields(isObject(value) ? value : {}).tags;
}
