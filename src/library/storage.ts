import { periodsOf } from "../analysis/period.ts";
import type { Report } from "../analysis/report-schema.ts";
import { PatterndError } from "../errors.ts";
import { PatternParser } from "../pattern/parse.ts";
import type { Pattern as StoredPattern } from "../pattern/pattern.ts";
import type { DeclaredTypes } from "../pattern/schema.ts";
import { Zone } from "../pattern/zone.ts";
import { NotStorable, type Outcome, type StoreRepair } from "../store/backend.ts";
import { openStore } from "../store/open.ts";
import { DEFAULT_LIMIT, encodeCursor, MAX_PAGE_LIMIT } from "../store/query.ts";
import { findDaemon } from "./daemon.ts";
import { PatternError } from "./error.ts";
import { type HeldStore, ownStore } from "./held.ts";
import { parseLine, parseObject } from "./line.ts";
import {
  type CompressionOptions,
  type DaemonOptions,
  type DeletionOptions,
  parseCompression,
  parseDaemonOptions,
  parseDeletion,
  parseOptions,
  type StorageOptions,
} from "./options.ts";
import type { NoTypes, Pattern } from "./pattern.ts";
import {
  type AnalysisOptions,
  badRequest,
  parseOptionsOfAnalysis,
  parseOptionsOfQuery,
  type QueryOptions,
  requireText,
} from "./query.ts";

/** Of what is asked for page by page: as many digits as a limit may have. */
const MAX_LIMIT = 999_999_999_999_999;

/** A page of patterns; `cursor` asks for the next one, and is undefined at the end. */
export interface PatternPage<Types extends DeclaredTypes = NoTypes> {
  readonly patterns: Pattern<Types>[];
  readonly cursor: string | undefined;
}

/**
 * A store of patterns, opened by this process, or by a daemon that it asks. One process writes to a store at a time;
 * any number read it.
 *
 * Every answer is newest first, ties by id. Every method rejects with a PatterndError when the store fails
 * (`store_failed`) or is closed (`store_closed`).
 */
export class PatternStorage<Types extends DeclaredTypes = NoTypes> implements AsyncDisposable {
  readonly #store: HeldStore;
  readonly #parser: PatternParser;

  private constructor(store: HeldStore, parser: PatternParser) {
    this.#store = store;
    this.#parser = parser;
  }

  /**
   * Opens the store, and creates it if there is none (unless `readOnly`); or finds the running daemon.
   *
   * @throws PatterndError `bad_request`, `daemon_unreachable`, `backend_unknown`, `sqlite_unavailable`, `lock_unavailable`, `store_locked`,
   * `store_of_another_user`, `store_foreign`, `store_newer`, `store_not_found` (readOnly), `store_failed`.
   */
  static async open<const Types extends DeclaredTypes = NoTypes>(
    options: StorageOptions<Types> | DaemonOptions<Types>,
  ): Promise<PatternStorage<Types>> {
    const daemon = parseDaemonOptions(options);
    if (daemon) return PatternStorage.#over<Types>(await findDaemon(daemon), daemon.types);
    const { kind, store: opening, types, upkeep, onRepair } = parseOptions(options);
    const repairs: StoreRepair[] = [];
    const store = await openStore(kind, { ...opening, onRepair: (repair) => repairs.push(repair) });
    try {
      // Told when all is done: what the caller does with it, or throws, must not cut an opening short.
      for (const repair of repairs) onRepair(repair);
      return PatternStorage.#over<Types>(ownStore(store, upkeep), types);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  static #over<Types extends DeclaredTypes>(store: HeldStore, types: DeclaredTypes): PatternStorage<Types> {
    return new PatternStorage<Types>(store, new PatternParser({ zone: new Zone(store.timezone), types }));
  }

  /** Stores the pattern's JSON text. Durable when it resolves. @throws PatternError if the pattern is invalid. */
  async save(pattern: Pattern<Types>): Promise<Outcome> {
    return this.#saveOne(parseObject(this.#parser, pattern));
  }

  /**
   * Stores all of them or none: outcomes in the order given, durable when it resolves. A crash before that may leave
   * some of them.
   *
   * @throws PatternError whose `index` says which one is invalid, or refused by the store.
   */
  async saveMany(patterns: Iterable<Pattern<Types>>): Promise<Outcome[]> {
    // Array.from would take any object without patterns for none of them.
    if (typeof patterns?.[Symbol.iterator] !== "function") throw badRequest("expected a list of patterns");
    const parsed = Array.from(patterns, (pattern, index) => parseObject(this.#parser, pattern, index));
    return this.#write(parsed, "many");
  }

  /** Stores this very text, one pattern on one line. @throws PatternError if the pattern is invalid. */
  async saveLine(line: string): Promise<Outcome> {
    requireText("line", line);
    return this.#saveOne(parseLine(this.#parser, line));
  }

  /** The newest version of a pattern, or undefined. */
  async load(id: string): Promise<Pattern<Types> | undefined> {
    const line = await this.loadLine(id);
    return line === undefined ? undefined : this.#patternIn(line);
  }

  /** The text that was saved, or undefined. */
  async loadLine(id: string): Promise<string | undefined> {
    requireText("id", id);
    return this.#store.get(id);
  }

  /** Up to `limit` patterns. @throws PatterndError `bad_request`, naming the option. */
  async query(options: QueryOptions = {}): Promise<Pattern<Types>[]> {
    return (await this.queryLines(options)).map((line) => this.#patternIn(line));
  }

  /** The texts that were saved, up to `limit`. @throws PatterndError `bad_request`, naming the option. */
  async queryLines(options: QueryOptions = {}): Promise<string[]> {
    const lines: string[] = [];
    for await (const line of this.#linesOf(options, DEFAULT_LIMIT)) lines.push(line);
    return lines;
  }

  /**
   * One page: `limit` (100, at most 10,000) patterns, or fewer when they come to more than 8 MiB.
   *
   * @throws PatterndError `bad_request`, naming the option.
   */
  async queryPage(options: QueryOptions = {}): Promise<PatternPage<Types>> {
    const { filter, page } = parseOptionsOfQuery(options, MAX_PAGE_LIMIT);
    const { lines, next } = await this.#store.query(filter, page);
    return { patterns: lines.map((line) => this.#patternIn(line)), cursor: next && encodeCursor(next) };
  }

  /** Every pattern that is asked for, one after the other, however many. @throws PatterndError `bad_request`. */
  async *iterate(options: QueryOptions = {}): AsyncGenerator<Pattern<Types>, void, undefined> {
    for await (const line of this.iterateLines(options)) yield this.#patternIn(line);
  }

  /** Every text that is asked for, one after the other, however many. @throws PatterndError `bad_request`. */
  iterateLines(options: QueryOptions = {}): AsyncGenerator<string, void, undefined> {
    return this.#linesOf(options, Number.POSITIVE_INFINITY);
  }

  /**
   * What the patterns say of errors, agents, tasks, corrections and tools, against the period before if there is a
   * `startDate` (docs/analysis.md).
   *
   * @throws PatterndError `bad_request`, naming the option.
   */
  async analyze(options: AnalysisOptions = {}): Promise<Report> {
    const filter = parseOptionsOfAnalysis(options);
    return this.#store.analyse(filter, periodsOf(filter.start, filter.end, new Date()));
  }

  /**
   * Deletes exactly what is older than now minus so many days, and resolves to how many patterns went. In short
   * steps, between which other calls have their turn.
   *
   * @throws PatterndError `bad_request`, naming the option; `store_failed` when the store is open for reading only.
   */
  async deleteOldPatterns(options: DeletionOptions = {}): Promise<number> {
    return this.#store.deleteOld(parseDeletion(options));
  }

  /**
   * Compresses whole UTC days that ended so many days ago, and resolves to how many files were made smaller: none on
   * SQLite. In short steps likewise; answers stay the same.
   *
   * @throws PatterndError `bad_request`, naming the option; `store_failed` when the store is open for reading only.
   */
  async compressOldFiles(options: CompressionOptions = {}): Promise<number> {
    return this.#store.compressOld(parseCompression(options));
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** `most`: where the options don't say. */
  async *#linesOf(options: QueryOptions, most: number): AsyncGenerator<string, void, undefined> {
    const { filter, page } = parseOptionsOfQuery(options, MAX_LIMIT);
    let left = options.limit === undefined ? most : page.limit;
    let after = page.after;
    do {
      const { lines, next } = await this.#store.query(filter, {
        limit: Math.min(left, MAX_PAGE_LIMIT),
        after,
      });
      yield* lines;
      left -= lines.length;
      after = next;
    } while (left > 0 && after);
  }

  async #saveOne(pattern: StoredPattern): Promise<Outcome> {
    const [outcome] = await this.#write([pattern], "one");
    if (outcome === undefined) throw new PatterndError("internal", "the store did not say what became of it");
    return outcome;
  }

  async #write(patterns: readonly StoredPattern[], saved: "one" | "many"): Promise<Outcome[]> {
    try {
      return await this.#store.write(patterns);
    } catch (cause) {
      if (!(cause instanceof NotStorable)) throw cause;
      const index = cause.index;
      const patternId = index === undefined ? undefined : patterns[index]?.id;
      const rejection = { code: "not_storable", message: cause.message } as const;
      throw new PatternError(
        patternId === undefined ? rejection : { ...rejection, patternId },
        saved === "many" ? index : undefined,
        { cause },
      );
    }
  }

  /** What stands in a store went through the parser: its shape needs no second look. */
  #patternIn(line: string): Pattern<Types> {
    return JSON.parse(line);
  }
}
