/**
 * Drops entries of the index of ids (ids.ts) whose rows were deleted. One by one each would cost a page, so it is done for
 * all of them together, page by page, and not before they are a part of the index that is worth it. They do no harm meanwhile.
 */
import type { Connection } from "./driver.ts";
import { AFTER_ALL, BEFORE_ALL, ID_TABLES, runFinder } from "./ids.ts";

/** Once one row in so many is gone. */
const DUE_SHARE = 20n;
/** How many entries are looked at between two looks at the clock: each may cost a page of `patterns`. */
const RUN_ENTRIES = 200;
/** How many were left, and the last row of theirs: kept in the table `store`, since a daemon may not live long enough. */
const LEFT = "unswept ids";
const LAST = "unswept to";
const NO_ROW = -(2n ** 63n);

export class IdSweep {
  readonly #get;
  readonly #put;
  readonly #span;
  readonly #tables;

  constructor(db: Connection) {
    this.#get = db.prepare<[string], string>("SELECT value FROM store WHERE key = ?").pluck();
    this.#put = db.prepare<[string, string]>(
      "INSERT INTO store (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    this.#span = db
      .prepare<[], bigint>(
        "SELECT coalesce((SELECT max(seq) FROM patterns) - (SELECT min(seq) FROM patterns), 0)",
      )
      .pluck()
      .safeIntegers();
    this.#tables = ID_TABLES.map((table) => ({
      lastOfRun: runFinder(db, table),
      drop: db.prepare<[number, number, bigint]>(`
DELETE FROM ${table} WHERE hash > ? AND hash <= ? AND seq <= ?
AND NOT EXISTS (SELECT 1 FROM patterns WHERE patterns.seq = ${table}.seq)`),
    }));
  }

  /** Within the transaction that removed so many rows, the last of them this one. */
  noteRemoved(rows: number, last: bigint): void {
    if (rows === 0) return;
    this.#put.run(LEFT, String(this.#left + BigInt(rows)));
    if (last > this.#last) this.#put.run(LAST, String(last));
  }

  get isDue(): boolean {
    const left = this.#left;
    return left > 0n && left * DUE_SHARE >= (this.#span.get() ?? 0n);
  }

  /** `step` does a step's work, again and again while it answers that there is more and the step has time. */
  *sweep(step: (work: () => boolean) => void): Generator<void, void> {
    const last = this.#last;
    for (const { lastOfRun, drop } of this.#tables) {
      let from: number | undefined = BEFORE_ALL;
      const run = () => {
        if (from === undefined) return false;
        const to = lastOfRun(from, RUN_ENTRIES);
        drop.run(from, to ?? AFTER_ALL, last);
        from = to;
        return to !== undefined;
      };
      for (; from !== undefined; yield) step(run);
    }
    this.#put.run(LEFT, "0");
    this.#put.run(LAST, String(NO_ROW));
  }

  get #left(): bigint {
    return BigInt(this.#get.get(LEFT) ?? 0);
  }

  get #last(): bigint {
    return BigInt(this.#get.get(LAST) ?? NO_ROW);
  }
}
