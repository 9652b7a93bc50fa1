import type { Connection } from "./driver.ts";

/** The rows of a pattern in `pattern_tags` or `pattern_agents`. */
export class WordIndex {
  readonly #insert;
  readonly #delete;

  constructor(db: Connection, table: "pattern_tags" | "pattern_agents", column: "tag" | "agent") {
    // Two words with different lone surrogates are one once they are text for SQLite.
    this.#insert = db.prepare(
      `INSERT INTO ${table} (${column}, instant, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    this.#delete = db.prepare(`DELETE FROM ${table} WHERE ${column} = ? AND instant = ? AND seq = ?`);
  }

  add(words: readonly string[], instant: bigint, seq: number | bigint): void {
    for (const word of words) this.#insert.run(word.toWellFormed(), instant, seq);
  }

  remove(words: readonly string[], instant: bigint, seq: number | bigint): void {
    for (const word of words) this.#delete.run(word.toWellFormed(), instant, seq);
  }
}
