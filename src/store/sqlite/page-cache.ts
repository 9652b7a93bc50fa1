/**
 * How much of the database SQLite holds in memory. Ids are random: a batch changes a page of their index for nearly each
 * of its patterns, and what of those has no room goes into the WAL before its time, and comes back. So the cache grows with
 * the database (docs/performance.md says what that gives), and small stores stay small.
 */
import type { Connection } from "./driver.ts";

const LEAST_BYTES = 32 * 2 ** 20;
const MOST_BYTES = 128 * 2 ** 20;
/** Of the database. */
const SHARE = 1 / 24;
/** It grows in steps of so much. */
const STEP_BYTES = 8 * 2 ** 20;

export class PageCache {
  readonly #db: Connection;
  readonly #databaseBytes: () => number;
  #bytes = 0;

  constructor(db: Connection, databaseBytes = bytesIn(db)) {
    this.#db = db;
    this.#databaseBytes = databaseBytes;
    this.fit();
  }

  /** Of the database as it is now. What the cache was, it stays. */
  fit(): void {
    const wanted = STEP_BYTES * Math.floor((this.#databaseBytes() * SHARE) / STEP_BYTES);
    const bytes = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, wanted));
    if (bytes <= this.#bytes) return;
    this.#bytes = bytes;
    this.#db.pragma(`cache_size = ${-bytes / 1024}`);
  }
}

/** How large a database is, asked for again and again. */
export function bytesIn(db: Connection): () => number {
  const size = db.prepare<[], number>(
    "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
  );
  size.pluck();
  return () => size.get() ?? 0;
}
