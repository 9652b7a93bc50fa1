import { systemCode } from "../../../errors.ts";
import type { Pattern } from "../../../pattern/pattern.ts";
import type { Zone } from "../../../pattern/zone.ts";
import type { Connection, Driver } from "../driver.ts";
import { configureWriter, createStore, openWriter } from "../file.ts";
import { MIGRATIONS } from "../schema.ts";
import { PatternWriter } from "../writer.ts";
import { patternOf } from "./rows.ts";

const BATCH = 1_000;

/**
 * Copies every row that can be read and holds a pattern into a new store at `target`. Rows are asked for one by one:
 * a damaged page then takes no others with it.
 */
export function salvageRows(driver: Driver, from: Connection, zone: Zone, target: string): void {
  createStore(driver, target, zone.id, MIGRATIONS);
  const db = openWriter(driver, target);
  try {
    configureWriter(db, "fsync");
    const writer = new PatternWriter(db);
    let batch: Pattern[] = [];
    for (const line of readableLines(from)) {
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
}

function* readableLines(db: Connection): Generator<Buffer, void> {
  const one = db
    .prepare<[bigint], Buffer>("SELECT CAST(line AS BLOB) FROM patterns NOT INDEXED WHERE seq = ?")
    .pluck();
  const last = highestSeq(db);
  for (let seq = lowestSeq(db); seq <= last; seq += 1n) {
    const line = readable(() => one.get(seq));
    if (line) yield line;
  }
}

function highestSeq(db: Connection): bigint {
  return seqBy(db, "DESC") ?? 0n;
}

function lowestSeq(db: Connection): bigint {
  return seqBy(db, "ASC") ?? 1n;
}

/** By the table, and where that is damaged at this end by any index, each of which knows every row. */
function seqBy(db: Connection, order: "ASC" | "DESC"): bigint | undefined {
  const choose = order === "ASC" ? "min" : "max";
  const found = [
    `SELECT seq FROM patterns NOT INDEXED ORDER BY seq ${order} LIMIT 1`,
    ...["patterns_by_instant", "patterns_by_type"].map(
      (index) => `SELECT ${choose}(+seq) FROM patterns INDEXED BY ${index}`,
    ),
  ].flatMap((sql) => readable(() => db.prepare<[], bigint>(sql).safeIntegers().pluck().get()) ?? []);
  return found.sort((a, b) => (a < b ? -1 : 1)).at(order === "ASC" ? 0 : -1);
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!/^SQLITE_(CORRUPT|IOERR)/.test(systemCode(error) ?? "")) throw error;
    return undefined;
  }
}
