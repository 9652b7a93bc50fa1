import * as v from "valibot";
import { messageOf, systemCode } from "../../errors.ts";
import { indexedFields } from "../../pattern/parse.ts";
import type { Pattern } from "../../pattern/pattern.ts";
import { isObject } from "../../pattern/schema.ts";
import { NotStorable, type Outcome } from "../backend.ts";
import type { Connection } from "./driver.ts";

interface Known {
  readonly seq: bigint;
  readonly instant: bigint;
  readonly line: Buffer;
}

/** The line is bound as bytes: SQLite takes them as text by half the work of a round through a string. */
const INSERT = `
INSERT INTO patterns (pattern_id, pattern_type, timestamp, instant, project, session, host, line)
VALUES (?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT)) ON CONFLICT (pattern_id) DO NOTHING`;
const UPDATE = `
UPDATE patterns SET pattern_type = ?, timestamp = ?, instant = ?, project = ?, session = ?, host = ?,
  line = CAST(? AS TEXT) WHERE seq = ?`;
const OLDER = `
SELECT seq, instant, CAST(line AS BLOB) AS line FROM patterns WHERE instant < ? ORDER BY instant LIMIT ?`;
const KNOWN = "SELECT seq, instant, CAST(line AS BLOB) AS line FROM patterns WHERE pattern_id = ?";

/** The most rows of `patterns` that one transaction deletes, and of free pages that one gives back. */
const STEP_ROWS = 500;
const STEP_PAGES = 1000;

const MAX_INSTANT = 2n ** 63n - 1n;
const MIN_INSTANT = -(2n ** 63n);

const pageCount = v.pipe(v.number(), v.integer());

export class PatternWriter {
  readonly #db;
  readonly #older;
  readonly #delete;
  readonly #insert;
  readonly #update;
  readonly #known;
  readonly #tags;
  readonly #agents;
  readonly #batch;

  constructor(db: Connection) {
    this.#db = db;
    this.#older = db.prepare<[bigint, number], Known>(OLDER).safeIntegers();
    this.#delete = db.prepare("DELETE FROM patterns WHERE seq = ?");
    this.#insert = db.prepare(INSERT);
    this.#update = db.prepare(UPDATE);
    this.#known = db.prepare<[string], Known>(KNOWN).safeIntegers();
    this.#tags = new WordIndex(db, "pattern_tags", "tag");
    this.#agents = new WordIndex(db, "pattern_agents", "agent");
    this.#batch = db.transaction((patterns: readonly Pattern[]) =>
      patterns.map((one, index) => this.#saveAt(index, one)),
    );
  }

  /**
   * One transaction.
   *
   * @throws NotStorable if the database refuses a pattern for what is in it; SQLite's own error otherwise.
   */
  write(patterns: readonly Pattern[]): Outcome[] {
    return this.#batch.immediate(patterns);
  }

  /** Oldest first, a transaction a step; then gives the space back to the file system. */
  *deleteOlderThan(cutoff: bigint): Generator<void, number> {
    let deleted = 0;
    for (let rows = STEP_ROWS; rows === STEP_ROWS; deleted += rows) {
      rows = this.#db.transaction(() => this.#deleteSome(cutoff)).immediate();
      yield;
    }
    for (let free = this.#freePages(); free > 0; ) {
      this.#db.pragma(`incremental_vacuum(${STEP_PAGES})`);
      yield;
      const left = this.#freePages();
      free = left < free ? left : 0;
    }
    return deleted;
  }

  /** A database has no files to compress: what serves it instead is done, and none is counted. */
  *compress(): Generator<void, number> {
    this.#db.pragma("optimize");
    yield;
    this.#db.pragma("wal_checkpoint(PASSIVE)");
    return 0;
  }

  #deleteSome(cutoff: bigint): number {
    const before = cutoff > MAX_INSTANT ? MAX_INSTANT : cutoff < MIN_INSTANT ? MIN_INSTANT : cutoff;
    const old = this.#older.all(before, STEP_ROWS);
    for (const known of old) {
      this.#forget(known);
      this.#delete.run(known.seq);
    }
    return old.length;
  }

  #freePages(): number {
    return v.parse(pageCount, this.#db.pragma("freelist_count", { simple: true }));
  }

  #saveAt(index: number, pattern: Pattern): Outcome {
    try {
      const outcome = this.#save(pattern);
      if (outcome) return outcome;
    } catch (cause) {
      if (!/^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH)/.test(systemCode(cause) ?? "")) throw cause;
      throw new NotStorable(`SQLite refuses the pattern: ${messageOf(cause)}`, { cause, index });
    }
    throw new NotStorable("SQLite refuses the pattern: a trigger ignored it", { index });
  }

  #save(pattern: Pattern): Outcome | undefined {
    const { id, instant } = pattern;
    const columns = columnsOf(pattern);
    const { changes, lastInsertRowid } = this.#insert.run(id, ...columns);
    if (changes === 1) {
      this.#tags.add(pattern.tags, instant, lastInsertRowid);
      this.#agents.add(pattern.agents, instant, lastInsertRowid);
      return "stored";
    }
    const known = this.#known.get(id);
    // Only a trigger of somebody's makes an insertion do nothing where there is no such id.
    if (!known) return undefined;
    if (instant < known.instant) return "superseded";
    if (instant === known.instant && known.line.equals(pattern.line)) return "superseded";
    this.#forget(known);
    this.#update.run(...columns, known.seq);
    this.#tags.add(pattern.tags, instant, known.seq);
    this.#agents.add(pattern.agents, instant, known.seq);
    return "replaced";
  }

  /** Which words a version had is in its line; an index by `seq` would cost every insertion. */
  #forget(known: Known): void {
    const value: unknown = JSON.parse(known.line.toString("utf8"));
    const { tags, agents } = indexedFields(isObject(value) ? value : {});
    this.#tags.remove(tags, known.instant, known.seq);
    this.#agents.remove(agents, known.instant, known.seq);
  }
}

/** The rows of a pattern in `pattern_tags` or `pattern_agents`. */
class WordIndex {
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

function columnsOf(pattern: Pattern) {
  const { type, timestamp, instant, project, session, host, line } = pattern;
  return [type, timestamp, instant, sqlText(project), sqlText(session), sqlText(host), line] as const;
}

function sqlText(text: string | undefined): string | null {
  return text?.toWellFormed() ?? null;
}
