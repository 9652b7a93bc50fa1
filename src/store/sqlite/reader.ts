import { PAGE_BYTES, type Page, type PageRequest, type Position, type StoreStats } from "../backend.ts";
import { contentMatcher, type Filter } from "../filter.ts";
import type { Connection } from "./driver.ts";
import { firstOf, hashOf, IS_ROW, rowFinder } from "./ids.ts";
import {
  isExact,
  KEY_COLUMNS,
  keyQuery,
  type Parameter,
  probeQuery,
  type Source,
  sourcesOf,
} from "./keys.ts";

/** How many lines are looked at between two looks at the clock. */
const LOOKS = 256;

interface Key {
  readonly seq: bigint;
  readonly instant: bigint;
  readonly id: string;
  readonly line?: string;
}

export class PatternReader {
  readonly #db: Connection;
  readonly #rowsOf;
  readonly #byId;
  readonly #bySeq;
  readonly #counts;
  readonly #ends;

  constructor(db: Connection) {
    this.#db = db;
    this.#rowsOf = rowFinder(db);
    this.#byId = db.prepare<[bigint, string], string>(`SELECT line FROM patterns WHERE ${IS_ROW}`).pluck();
    this.#bySeq = db.prepare<[bigint], string>("SELECT line FROM patterns WHERE seq = ?").pluck();
    this.#counts = db
      .prepare<[], { type: string; patterns: bigint }>(
        "SELECT pattern_type AS type, count(*) AS patterns FROM patterns INDEXED BY patterns_by_type GROUP BY 1 ORDER BY 1",
      )
      .safeIntegers();
    this.#ends = db
      .prepare<[], { oldest: bigint | null; newest: bigint | null }>(
        "SELECT (SELECT min(instant) FROM patterns) AS oldest, (SELECT max(instant) FROM patterns) AS newest",
      )
      .safeIntegers();
  }

  get(id: string): string | undefined {
    // As SQLite's text a lone surrogate is U+FFFD, which may be another's id.
    if (!id.isWellFormed()) return undefined;
    return firstOf(this.#rowsOf(hashOf(id)), (seq) => this.#byId.get(seq, id));
  }

  /** Out of the indexes alone. */
  counts(): Omit<StoreStats, "bytes"> {
    return this.#db.transaction(() => {
      const counted = this.#counts.all();
      const { oldest, newest } = this.#ends.get() ?? { oldest: null, newest: null };
      return {
        patterns: counted.reduce((sum, { patterns }) => sum + Number(patterns), 0),
        byType: Object.fromEntries(counted.map(({ type, patterns }) => [type, Number(patterns)])),
        oldest: oldest ?? undefined,
        newest: newest ?? undefined,
      };
    })();
  }

  /** One snapshot: the transaction of the keys' statement lasts as long as its iteration. So it is one step. */
  page(filter: Filter, request: PageRequest): Page {
    const matches = isExact(filter) ? undefined : contentMatcher(filter);
    const limit = matches ? -1 : request.limit + 1;
    const leading = sparsest(this.#db, filter, request.after);
    // Where nothing is sorted; else whole lines would be sorted along, where several instants are equal.
    const columns = matches && !leading ? `${KEY_COLUMNS}, p.line AS line` : KEY_COLUMNS;
    const { sql, parameters } = keyQuery(filter, request.after, limit, leading, columns);
    const keys = this.#db.prepare<Parameter[], Key>(sql).safeIntegers();
    const lines: string[] = [];
    let bytes = 0;
    let last: Position | undefined;
    let seen: Position | undefined;
    let looks = 0;
    const { maxBytes = PAGE_BYTES, lookMs = Number.POSITIVE_INFINITY } = request;
    const deadline = performance.now() + lookMs;
    for (const { seq, instant, id, line: own } of keys.iterate(...parameters)) {
      looks += 1;
      if (seen && looks % LOOKS === 0 && performance.now() > deadline) return { lines, next: seen };
      seen = { instant, id };
      const line = own ?? this.#bySeq.get(seq);
      if (line === undefined || (matches && !matches(line))) continue;
      bytes += Buffer.byteLength(line);
      if (lines.length === request.limit || (last && bytes > maxBytes)) return { lines, next: last };
      lines.push(line);
      last = { instant, id };
    }
    return { lines, next: undefined };
  }
}

/** The source with the fewest entries on the way to a full page: the one whose entries reach back furthest. */
export function sparsest(db: Connection, filter: Filter, after: Position | undefined): Source | undefined {
  const sources = sourcesOf(filter);
  if (sources.length < 2) return sources[0];
  let best: { readonly source: Source; readonly reach: bigint } | undefined;
  for (const source of sources) {
    const { sql, parameters } = probeQuery(source, filter, after);
    const probe = db.prepare<Parameter[], bigint>(sql).pluck().safeIntegers();
    const reach = probe.get(...parameters);
    if (reach === undefined) return source;
    if (!best || reach < best.reach) best = { source, reach };
  }
  return best?.source;
}
