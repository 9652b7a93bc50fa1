import { messageOf, systemCode } from "../../errors.ts";
import { numberOf } from "../../pattern/id-hash.ts";
import type { Pattern } from "../../pattern/pattern.ts";
import { NotStorable, type OnDeleted, type Outcome } from "../backend.ts";
import type { Cutoffs } from "../cutoffs.ts";
import type { Connection } from "./driver.ts";
import { BatchIds, firstOf, IdIndex, type IdLimits, rowFinder } from "./ids.ts";
import { DatabaseUpkeep, KNOWN, type Known } from "./upkeep.ts";
import { WordIndex } from "./words.ts";

/** The line is bound as bytes: SQLite takes them as text by half the work of a round through a string. */
const INSERT = `
INSERT INTO patterns (pattern_id, pattern_type, timestamp, instant, project, session, host, line)
VALUES (?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT))`;
const UPDATE = `
UPDATE patterns SET pattern_type = ?, timestamp = ?, instant = ?, project = ?, session = ?, host = ?,
  line = CAST(? AS TEXT) WHERE seq = ?`;

const REMEMBERED = "SELECT substr(key, 11) FROM store WHERE key > 'forgotten ' AND key < 'forgotten!'";
const REMEMBER = "INSERT INTO store (key, value) VALUES ('forgotten ' || ?, ?) ON CONFLICT DO NOTHING";

export class PatternWriter {
  readonly #db;
  readonly #insert;
  readonly #update;
  readonly #known;
  readonly #rowsOf;
  readonly #ids;
  readonly #tags;
  readonly #agents;
  readonly #upkeep;
  readonly #batch;
  readonly #onSynced;
  #saved = 0;

  /** `onSynced`: told how many milliseconds each commit took. */
  constructor(db: Connection, onSynced: (ms: number) => void = () => {}, limits?: IdLimits) {
    this.#onSynced = onSynced;
    this.#db = db;
    this.#insert = db.prepare(INSERT);
    this.#update = db.prepare(UPDATE);
    this.#known = db.prepare<[bigint, string], Known>(KNOWN).safeIntegers();
    this.#rowsOf = rowFinder(db);
    this.#ids = new IdIndex(db, limits);
    this.#tags = new WordIndex(db, "pattern_tags", "tag");
    this.#agents = new WordIndex(db, "pattern_agents", "agent");
    this.#upkeep = new DatabaseUpkeep(db, this.#ids, [this.#tags, this.#agents]);
    this.#batch = db.transaction((patterns: readonly Pattern[]) => {
      const hashes = patterns.map(({ hash }) => numberOf(hash));
      const ids = new BatchIds(this.#ids, hashes);
      const outcomes = patterns.map((one, index) => this.#saveAt(index, one, ids));
      ids.flush();
      this.#ids.settle();
      this.#saved = performance.now();
      return outcomes;
    });
  }

  /**
   * One transaction.
   *
   * @throws NotStorable if the database refuses a pattern for what is in it; SQLite's own error otherwise.
   */
  write(patterns: readonly Pattern[]): Outcome[] {
    const outcomes = this.#batch.immediate(patterns);
    this.#onSynced(performance.now() - this.#saved);
    return outcomes;
  }

  deleteOlderThan(cutoffs: Cutoffs, onDeleted: OnDeleted): Generator<void, number> {
    return this.#upkeep.deleteOlderThan(cutoffs, onDeleted);
  }

  compress(): Generator<void, number> {
    return this.#upkeep.compress();
  }

  forget(ids: readonly string[]): Generator<void, number> {
    return this.#upkeep.forget(ids);
  }

  remembered(): string[] {
    return this.#db.prepare<[], string>(REMEMBERED).pluck().all();
  }

  remember(hashes: readonly string[]): void {
    const insert = this.#db.prepare<[string, string]>(REMEMBER);
    const time = new Date().toISOString();
    const all = this.#db.transaction(() => {
      for (const hash of hashes) insert.run(hash, time);
    });
    all.immediate();
  }

  #saveAt(index: number, pattern: Pattern, ids: BatchIds): Outcome {
    try {
      const outcome = this.#save(pattern, ids.hashAt(index), ids);
      if (outcome) return outcome;
    } catch (cause) {
      if (!/^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH)/.test(systemCode(cause) ?? "")) throw cause;
      throw new NotStorable(`SQLite refuses the pattern: ${messageOf(cause)}`, { cause, index });
    }
    throw new NotStorable("SQLite refuses the pattern: a trigger ignored it", { index });
  }

  #save(pattern: Pattern, hash: number, ids: BatchIds): Outcome | undefined {
    if (ids.has(hash)) {
      ids.flush();
      const known = firstOf(this.#rowsOf(hash), (seq) => this.#known.get(seq, pattern.id));
      // Or another id has its hash, or what had it is gone.
      if (known) return this.#saveKnown(pattern, known);
    }
    const { changes, lastInsertRowid } = this.#insert.run(pattern.id, ...columnsOf(pattern));
    // Only a trigger of somebody's makes an insertion do nothing.
    if (changes !== 1) return undefined;
    ids.add(hash, Number(lastInsertRowid));
    this.#tags.add(pattern.tags, pattern.instant, lastInsertRowid);
    this.#agents.add(pattern.agents, pattern.instant, lastInsertRowid);
    return "stored";
  }

  #saveKnown(pattern: Pattern, known: Known): Outcome {
    const { instant } = pattern;
    if (instant < known.instant) return "superseded";
    if (instant === known.instant && known.line.equals(pattern.line)) return "superseded";
    this.#upkeep.dropWords(known);
    this.#update.run(...columnsOf(pattern), known.seq);
    this.#tags.add(pattern.tags, instant, known.seq);
    this.#agents.add(pattern.agents, instant, known.seq);
    return "replaced";
  }
}

function columnsOf(pattern: Pattern) {
  const { type, timestamp, instant, project, session, host, line } = pattern;
  return [type, timestamp, instant, sqlText(project), sqlText(session), sqlText(host), line] as const;
}

function sqlText(text: string | undefined): string | null {
  return text?.toWellFormed() ?? null;
}
