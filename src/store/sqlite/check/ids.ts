/** Whether the index of ids (../ids.ts) leads to each row by its id. An entry that leads to none is no fault. */
import type { Connection } from "../driver.ts";
import { FROM_ID, rowOf } from "../ids.ts";
import type { Row } from "./rows.ts";

export class KnownIds {
  readonly #rows;
  #missing = 0;

  constructor(db: Connection) {
    const sql = `SELECT seq ${FROM_ID}`;
    this.#rows = db.prepare<[number, number, string], bigint>(sql).pluck().safeIntegers();
  }

  /** Notes whether the index leads to the row; answers whether it leads to an earlier one with the same id, too. */
  isTwice({ id, seq }: Row): boolean {
    const rows = this.#rows.all(...rowOf(id));
    if (!rows.includes(seq)) this.#missing += 1;
    return rows.some((other) => other < seq);
  }

  /** What is wrong with the index, or nothing; once all rows have been seen. */
  get fault(): string | undefined {
    return this.#missing > 0 ? `ids: ${this.#missing} rows missing` : undefined;
  }
}
