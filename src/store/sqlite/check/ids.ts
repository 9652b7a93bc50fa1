/** Whether the index of ids (../ids.ts) leads to each row by its id, and to nothing else. */
import type { Connection } from "../driver.ts";
import { hashOf } from "../ids.ts";
import type { Row } from "./rows.ts";

const STEP_ENTRIES = 2_000;
const BEFORE_ALL = -(2n ** 63n);

const OF_HASH = `
SELECT seq, is_gone FROM ids_recent WHERE hash = ? UNION ALL SELECT seq, 0 AS is_gone FROM ids_settled WHERE hash = ?`;
/** How many entries count: what the small table says goes. */
const LIVE = `
SELECT (SELECT count(*) FROM ids_settled) + coalesce(sum(
  (NOT is_gone) - EXISTS (SELECT 1 FROM ids_settled AS s WHERE s.hash = r.hash AND s.seq = r.seq)), 0)
FROM ids_recent AS r`;
const STRAY = (table: "ids_recent" | "ids_settled", isLive: string) => `
SELECT e.hash, e.seq, ${isLive} AS isLive, p.pattern_id AS id
FROM ${table} AS e LEFT JOIN patterns AS p ON p.seq = e.seq
WHERE (e.hash, e.seq) > (?, ?) ORDER BY e.hash, e.seq LIMIT ?`;
const STRAYS = [
  STRAY("ids_recent", "NOT e.is_gone"),
  STRAY(
    "ids_settled",
    "NOT EXISTS (SELECT 1 FROM ids_recent AS r WHERE r.hash = e.hash AND r.seq = e.seq AND r.is_gone)",
  ),
];

interface Entry {
  readonly seq: bigint;
  readonly is_gone: bigint;
}

interface Stray {
  readonly hash: bigint;
  readonly seq: bigint;
  readonly isLive: bigint;
  readonly id: string | null;
}

export class KnownIds {
  readonly #db: Connection;
  readonly #ofHash;
  readonly #withId;
  #found = 0n;
  #missing = 0;

  constructor(db: Connection) {
    this.#db = db;
    this.#ofHash = db.prepare<[number, number], Entry>(OF_HASH).safeIntegers();
    this.#withId = db.prepare<[bigint, string]>("SELECT 1 FROM patterns WHERE seq = ? AND pattern_id = ?");
  }

  /** Notes whether the index leads to the row; answers whether it leads to an earlier one with the same id, too. */
  isTwice({ id, seq }: Row): boolean {
    const hash = hashOf(id);
    const entries = this.#ofHash.all(hash, hash);
    const gone = new Set(entries.filter((one) => one.is_gone === 1n).map((one) => one.seq));
    const live = new Set(entries.map((one) => one.seq).filter((one) => !gone.has(one)));
    if (live.has(seq)) this.#found += 1n;
    else this.#missing += 1;
    return [...live].some((other) => other < seq && this.#withId.get(other, id) !== undefined);
  }

  /** What is wrong with the index, or nothing; once all rows have been seen. */
  fault(onStep: () => void): string | undefined {
    if (this.#missing > 0) return `ids: ${this.#missing} rows missing`;
    const live = this.#db.prepare<[], bigint>(LIVE).safeIntegers().pluck().get();
    if (live === this.#found) return undefined;
    // Or somebody writes while this looks.
    const strays = STRAYS.reduce((sum, sql) => sum + this.#countStrays(sql, onStep), 0);
    return strays > 0 ? `ids: ${strays} entries of no row` : undefined;
  }

  #countStrays(sql: string, onStep: () => void): number {
    const step = this.#db.prepare<[bigint, bigint, number], Stray>(sql).safeIntegers();
    let strays = 0;
    let after: Pick<Stray, "hash" | "seq"> | undefined = { hash: BEFORE_ALL, seq: BEFORE_ALL };
    while (after) {
      const found: Stray[] = step.all(after.hash, after.seq, STEP_ENTRIES);
      strays += found.filter(
        ({ isLive, id, hash }) => isLive === 1n && (id === null || BigInt(hashOf(id)) !== hash),
      ).length;
      after = found.at(-1);
      onStep();
    }
    return strays;
  }
}
