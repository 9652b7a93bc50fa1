import { messageOf, systemCode } from "../../errors.ts";
import type { Pattern } from "../../pattern/pattern.ts";
import { NotStorable, type OnDeleted, type Outcome } from "../backend.ts";
import type { Cutoffs } from "../cutoffs.ts";
import type { Connection } from "./driver.ts";
import { DatabaseUpkeep, type Known } from "./upkeep.ts";
import { WordIndex } from "./words.ts";

/** The line is bound as bytes: SQLite takes them as text by half the work of a round through a string. */
const INSERT = `
INSERT INTO patterns (pattern_id, pattern_type, timestamp, instant, project, session, host, line)
VALUES (?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT)) ON CONFLICT (pattern_id) DO NOTHING`;
const UPDATE = `
UPDATE patterns SET pattern_type = ?, timestamp = ?, instant = ?, project = ?, session = ?, host = ?,
  line = CAST(? AS TEXT) WHERE seq = ?`;
const KNOWN = "SELECT seq, instant, CAST(line AS BLOB) AS line FROM patterns WHERE pattern_id = ?";

const REMEMBERED = "SELECT substr(key, 11) FROM store WHERE key > 'forgotten ' AND key < 'forgotten!'";
const REMEMBER = "INSERT INTO store (key, value) VALUES ('forgotten ' || ?, ?) ON CONFLICT DO NOTHING";

export class PatternWriter {
  readonly #db;
  readonly #insert;
  readonly #update;
  readonly #known;
  readonly #tags;
  readonly #agents;
  readonly #upkeep;
  readonly #batch;
  readonly #onSynced;
  #saved = 0;

  /** `onSynced`: told how many milliseconds each commit took. */
  constructor(db: Connection, onSynced: (ms: number) => void = () => {}) {
    this.#onSynced = onSynced;
    this.#db = db;
    this.#insert = db.prepare(INSERT);
    this.#update = db.prepare(UPDATE);
    this.#known = db.prepare<[string], Known>(KNOWN).safeIntegers();
    this.#tags = new WordIndex(db, "pattern_tags", "tag");
    this.#agents = new WordIndex(db, "pattern_agents", "agent");
    this.#upkeep = new DatabaseUpkeep(db, [this.#tags, this.#agents]);
    this.#batch = db.transaction((patterns: readonly Pattern[]) => {
      const outcomes = patterns.map((one, index) => this.#saveAt(index, one));
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
    this.#upkeep.dropWords(known);
    this.#update.run(...columns, known.seq);
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
