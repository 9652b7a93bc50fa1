import { systemCode } from "../../../errors.ts";
import type { Pattern } from "../../../pattern/pattern.ts";
import type { Zone } from "../../../pattern/zone.ts";
import type { Connection, Driver } from "../driver.ts";
import { configureWriter, createStore, openWriter } from "../file.ts";
import { MIGRATIONS } from "../schema.ts";
import { PatternWriter } from "../writer.ts";
import { patternOf } from "./rows.ts";

const BATCH = 1_000;
/** What knows every row, and in which order it is walked through. */
const WALKS = [
  ["patterns NOT INDEXED", "seq"],
  ["patterns INDEXED BY patterns_by_instant", "instant"],
  ["patterns INDEXED BY patterns_by_type", "pattern_type"],
  ["ids_recent", "hash"],
  ["ids_settled", "hash"],
] as const;

/**
 * Copies every row that can be read and holds a pattern into a new store at `target`, or answers that there is no table of
 * patterns any more. Rows are asked for one by one: a damaged page then takes no others with it.
 */
export function salvageRows(driver: Driver, from: Connection, zone: Zone, target: string): boolean {
  const lines = readable(() => lineReader(from));
  if (!lines) return false;
  createStore(driver, target, zone.id, MIGRATIONS);
  const db = openWriter(driver, target);
  try {
    configureWriter(db, "fsync");
    const writer = new PatternWriter(db);
    let batch: Pattern[] = [];
    for (const line of readableLines(from, lines)) {
      const pattern = patternOf(line, zone);
      if (pattern) batch.push(pattern);
      if (batch.length < BATCH) continue;
      writer.write(batch);
      batch = [];
    }
    writer.write(batch);
    db.pragma("wal_checkpoint(TRUNCATE)");
  } finally {
    db.close();
  }
  return true;
}

function lineReader(db: Connection) {
  const sql = "SELECT CAST(line AS BLOB) FROM patterns NOT INDEXED WHERE seq = ?";
  return db.prepare<[bigint], Buffer>(sql).pluck();
}

function* readableLines(db: Connection, lines: ReturnType<typeof lineReader>): Generator<Buffer, void> {
  const { first, last } = boundsOf(db);
  for (let seq = first; seq <= last; seq += 1n) {
    const line = readable(() => lines.get(seq));
    if (line) yield line;
  }
}

/** The lowest and the highest row that anything tells of. Where a walk ends at a damaged page, the way back is tried too. */
function boundsOf(db: Connection): { readonly first: bigint; readonly last: bigint } {
  let first = 1n;
  let last = 0n;
  const widen = (seq: bigint) => {
    if (last < first) first = last = seq;
    else if (seq < first) first = seq;
    else if (seq > last) last = seq;
  };
  for (const [source, column] of WALKS) {
    for (const order of ["ASC", "DESC"]) {
      const sql = `SELECT seq FROM ${source} ORDER BY ${column} ${order}`;
      const isAll = readable(() => {
        for (const seq of db.prepare(sql).safeIntegers().pluck().iterate())
          if (typeof seq === "bigint") widen(seq);
        return true;
      });
      if (isAll) break;
    }
  }
  return { first, last };
}

/** `ERROR` is what is said of a table or an index that is gone from the schema. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!/^SQLITE_(CORRUPT|IOERR|ERROR)/.test(systemCode(error) ?? "")) throw error;
    return undefined;
  }
}
