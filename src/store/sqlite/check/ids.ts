/** Whether the index of ids (../ids.ts) leads to each row by its id. An entry that leads to none is no fault. */
import type { Connection } from "../driver.ts";
import { hashOf, IS_ROW, rowFinder } from "../ids.ts";
import type { Row } from "./rows.ts";

export class IdLook {
  readonly #rowsOf;
  readonly #isRow;
  #missing = 0;

  constructor(db: Connection) {
    this.#rowsOf = rowFinder(db);
    this.#isRow = db.prepare<[bigint, string]>(`SELECT 1 FROM patterns WHERE ${IS_ROW}`);
  }

  /** Notes what is wrong; answers whether an earlier row has the same id. */
  lookAt({ id, seq }: Row): { readonly isTwice: boolean } {
    const rows = this.#rowsOf(hashOf(id));
    if (!rows.includes(seq)) this.#missing += 1;
    return { isTwice: rows.some((other) => other < seq && this.#isRow.get(other, id) !== undefined) };
  }

  /** What is wrong with the index, or nothing; once all rows have been looked at. */
  get fault(): string | undefined {
    return this.#missing > 0 ? `ids: ${this.#missing} rows missing` : undefined;
  }
}
