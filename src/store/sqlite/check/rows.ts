/** Whether each row says what its line says. Works in short reads, each consistent in itself. */
import { isUtf8 } from "node:buffer";
import type { Pattern } from "../../../pattern/pattern.ts";
import { storedPattern } from "../../../pattern/stored.ts";
import type { Zone } from "../../../pattern/zone.ts";
import type { Finding, Tally } from "../../finding.ts";
import type { Connection } from "../driver.ts";
import { IdLook } from "./ids.ts";
import { hasIdTables } from "./schema.ts";

const STEP_ROWS = 500;
const NEWLINE = 0x0a;

export interface Row {
  readonly seq: bigint;
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly instant: bigint;
  readonly project: string | null;
  readonly session: string | null;
  readonly host: string | null;
  readonly line: Buffer;
}

export interface WordRow {
  readonly word: string;
  readonly instant: bigint;
  readonly seq: bigint;
}

export const WORD_TABLES = [
  { table: "pattern_tags", column: "tag", wordsOf: ({ tags }: Pattern) => tags },
  { table: "pattern_agents", column: "agent", wordsOf: ({ agents }: Pattern) => agents },
] as const;
export type WordTable = (typeof WORD_TABLES)[number];

const COLUMNS = ["id", "type", "timestamp", "instant", "project", "session", "host"] as const;
const ROWS = `
SELECT seq, pattern_id AS id, pattern_type AS type, timestamp, instant, project, session, host,
  CAST(line AS BLOB) AS line FROM patterns NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ?`;

/** What is wrong with a row, with one of a tag or an agent, or with the index of ids. */
export type RowFault =
  | { readonly row: Row; readonly finding: Finding }
  | { readonly stray: WordRow; readonly of: WordTable; readonly finding: Finding };
export type ContentFault = RowFault | { readonly index: "ids"; readonly finding: Finding };

export function* checkRows(
  db: Connection,
  file: string,
  zone: Zone,
  tally: Tally,
): Generator<ContentFault, void> {
  const rows = db.prepare<[bigint, number], Row>(ROWS).safeIntegers();
  const words = new Map(WORD_TABLES.map((of) => [of.table, new KnownWords(db, of)] as const));
  // Before format 3 an index of SQLite's own saw to it that each id has one row. A missing table has been told.
  const ids = hasIdTables(db) ? new IdLook(db) : undefined;
  const step = db.transaction((after: bigint) => {
    const found = rows.all(after, STEP_ROWS);
    const faults = found.flatMap((row) => {
      const finding = rowFault(row, file, zone, (table, word) => words.get(table)?.has(word, row) ?? false);
      const isTwice = ids?.lookAt(row).isTwice;
      if (finding) return [{ row, finding }];
      return isTwice ? [{ row, finding: twice(file, row) }] : [];
    });
    return { faults, count: found.length, last: found.at(-1)?.seq };
  });
  for (let after: bigint | undefined = -(2n ** 63n); after !== undefined; ) {
    const { faults, count, last } = step.deferred(after);
    yield* faults;
    tally.patterns += count - faults.filter(({ finding }) => finding.kind === "row_damaged").length;
    tally.onProgress?.();
    after = last;
  }
  if (ids?.fault !== undefined)
    yield { index: "ids", finding: { kind: "sqlite_index_wrong", file, found: ids.fault } };
  for (const of of WORD_TABLES) {
    if (words.get(of.table)?.areAll !== true) yield* checkWords(db, file, zone, of, tally);
  }
}

/** Counts which rows of a table of words patterns have: if these are all, none needs to be looked at. */
class KnownWords {
  readonly #find;
  readonly #count;
  #found = 0;

  constructor(db: Connection, { table, column }: WordTable) {
    const sql = `SELECT 1 FROM ${table} WHERE ${column} = ? AND instant = ? AND seq = ?`;
    this.#find = db.prepare<[string, bigint, bigint]>(sql).pluck();
    this.#count = db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck();
  }

  has(word: string, { instant, seq }: Row): boolean {
    const isThere = this.#find.get(word.toWellFormed(), instant, seq) !== undefined;
    if (isThere) this.#found += 1;
    return isThere;
  }

  get areAll(): boolean {
    return this.#count.get() === this.#found;
  }
}

/** The pattern of a row's line, put on one line; undefined if that is none. */
export function patternOf(line: Buffer, zone: Zone): Pattern | undefined {
  if (!isUtf8(line)) return undefined;
  const text = line.toString("utf8");
  const pattern = storedPattern(text, zone);
  // In JSON a raw newline is nothing but space between two tokens.
  return pattern && line.includes(NEWLINE) ? storedPattern(text.replaceAll("\n", " "), zone) : pattern;
}

function rowFault(
  row: Row,
  file: string,
  zone: Zone,
  hasWord: (table: WordTable["table"], word: string) => boolean,
): Finding | undefined {
  const pattern = patternOf(row.line, zone);
  if (!pattern) {
    const found = `a line of ${row.line.length} bytes that is no pattern`;
    return { kind: "row_damaged", file, row: row.seq, found };
  }
  const { id, type, timestamp, instant } = row;
  const said = { id, type, timestamp, instant, project: row.project, session: row.session, host: row.host };
  const text = (value: string | undefined) => value?.toWellFormed() ?? null;
  const meant: typeof said = {
    id: pattern.id,
    type: pattern.type.toWellFormed(),
    timestamp: pattern.timestamp,
    instant: pattern.instant,
    project: text(pattern.project),
    session: text(pattern.session),
    host: text(pattern.host),
  };
  const differing = COLUMNS.filter((key) => said[key] !== meant[key]);
  const missing = WORD_TABLES.filter(
    ({ table, wordsOf }) => !wordsOf(pattern).every((word) => hasWord(table, word)),
  );
  const wrong = [...differing, ...missing.map(({ column }) => `${column}s`)];
  if (wrong.length === 0) return multiline(file, row);
  return { kind: "row_differs", file, row: row.seq, found: `${wrong.join(", ")} not as in the line` };
}

/** Whoever reads patterns line by line would take it for several. */
function multiline(file: string, { seq, line }: Row): Finding | undefined {
  if (!line.includes(NEWLINE)) return undefined;
  return { kind: "row_multiline", file, row: seq, found: "raw newlines in the line" };
}

function twice(file: string, { seq }: Row): Finding {
  return { kind: "row_twice", file, row: seq, found: "the id of an earlier row" };
}

/** Rows of tags or agents that no pattern has. */
function* checkWords(
  db: Connection,
  file: string,
  zone: Zone,
  of: WordTable,
  tally: Tally,
): Generator<RowFault, void> {
  const { table, column, wordsOf } = of;
  const step = db
    .prepare<[string, bigint, bigint, number], WordRow & { readonly line: Buffer | null }>(
      `SELECT w.${column} AS word, w.instant AS instant, w.seq AS seq, CAST(p.line AS BLOB) AS line
       FROM ${table} AS w LEFT JOIN patterns AS p ON p.seq = w.seq
       WHERE (w.${column}, w.instant, w.seq) > (?, ?, ?) ORDER BY w.${column}, w.instant, w.seq LIMIT ?`,
    )
    .safeIntegers();
  let after: WordRow | undefined = { word: "", instant: -(2n ** 63n), seq: -(2n ** 63n) };
  while (after) {
    const found: ReturnType<typeof step.all> = step.all(after.word, after.instant, after.seq, STEP_ROWS);
    for (const { line, ...stray } of found) {
      const pattern = line ? patternOf(line, zone) : undefined;
      // What a damaged row has is looked at once that is gone.
      const isMeant = pattern
        ? stray.instant === pattern.instant &&
          wordsOf(pattern).some((word) => word.toWellFormed() === stray.word)
        : line !== null;
      if (isMeant) continue;
      const finding = {
        kind: "word_stray",
        file,
        row: stray.seq,
        found: `a row of ${table} that no pattern has`,
      } as const;
      yield { stray, of, finding };
    }
    tally.onProgress?.();
    after = found.at(-1);
  }
}
