/** Repairs of a database: each is a transaction, and what it takes out stands in a file before. */

import { isUtf8 } from "node:buffer";
import { chmodSync, closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { systemCode } from "../../../errors.ts";
import type { Zone } from "../../../pattern/zone.ts";
import { syncPath } from "../../durable.ts";
import type { Repaired } from "../../finding.ts";
import { lockStore } from "../../lock.ts";
import type { Connection, Driver } from "../driver.ts";
import { configureWriter, openDamaged, openWriter } from "../file.ts";
import { hashOf, IdIndex, indexIds } from "../ids.ts";
import {
  APPLICATION_ID,
  FIRST_FORMAT,
  hasIdIndex,
  MIGRATIONS,
  migrate,
  newestFormat,
  sortingOnDisk,
} from "../schema.ts";
import { PatternWriter } from "../writer.ts";
import { type DatabaseFault, zoneOf } from "./look.ts";
import { patternOf, type RowFault } from "./rows.ts";
import { salvageRows } from "./salvage.ts";
import { createMissing } from "./schema.ts";

const MAX_ROUNDS = 20;
/** With their lines in memory. */
const MOST_ROWS = 5_000;

/** @throws PatterndError `store_locked`, `store_of_another_user` */
export async function* repairDatabase(
  driver: Driver,
  file: string,
  look: () => Iterable<DatabaseFault>,
): AsyncGenerator<Repaired, void> {
  const lock = lockStore(file, `${file}.lock`, "patternd check-store --repair");
  try {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const faults = repairable(look());
      if (faults.length === 0) return;
      for (const { does, finding } of faults) {
        if (does !== "mode") continue;
        chmodSync(finding.file, 0o600);
        yield { finding };
      }
      if (faults.some(({ does }) => does === "salvage")) {
        yield* salvage(driver, file, faults);
        return;
      }
      if (faults.some(({ does }) => does !== "mode")) yield* mendDatabase(driver, file, faults);
    }
  } finally {
    lock.release();
  }
}

function repairable(all: Iterable<DatabaseFault>): DatabaseFault[] {
  const faults: DatabaseFault[] = [];
  for (const fault of all) {
    if (fault.does !== "nothing") faults.push(fault);
    if (faults.length >= MOST_ROWS) break;
  }
  return faults;
}

function* mendDatabase(
  driver: Driver,
  file: string,
  faults: readonly DatabaseFault[],
): Generator<Repaired, void> {
  const db = openWriter(driver, file);
  try {
    for (const { does, finding } of faults) {
      if (does !== "header") continue;
      db.pragma(`application_id = ${APPLICATION_ID}`);
      db.pragma(`user_version = ${hasIdIndex(db) ? newestFormat(MIGRATIONS) : FIRST_FORMAT}`);
      // Where it is looked at before SQLite opens the file (file.ts).
      db.pragma("wal_checkpoint(TRUNCATE)");
      yield { finding };
    }
    configureWriter(db, "fsync");
    create(driver, db);
    for (const { does, finding } of faults) if (does === "create") yield { finding };
    migrate(db);
    const wrong = faults.filter(({ does }) => does === "reindex");
    if (wrong.length > 0) db.exec("REINDEX");
    for (const { finding } of wrong) yield { finding };
    const ids = faults.filter(({ does }) => does === "ids");
    const rows = faults.flatMap((one) => (one.does === "row" ? one.fault : []));
    // Rows are taken out and saved by it, so it has to be right, and that it is wrong may not be among the first faults.
    if (ids.length + rows.length > 0) sortingOnDisk(db, () => db.transaction(() => indexIds(db)).immediate());
    for (const { finding } of ids) yield { finding };
    const zone = zoneOf(db);
    if (zone && rows.length > 0) {
      const keptAs = keepRows(file, rows);
      db.transaction(() => mendRows(db, zone, rows)).immediate();
      for (const { finding } of rows) yield { finding, keptAs };
    }
  } finally {
    db.close();
  }
}

function create(driver: Driver, db: Connection): void {
  const all = db.transaction(() => {
    if (createMissing(driver, db)) indexIds(db);
  });
  sortingOnDisk(db, () => all.immediate());
}

function mendRows(db: Connection, zone: Zone, faults: readonly RowFault[]): void {
  const remove = db.prepare("DELETE FROM patterns WHERE seq = ?");
  const ids = new IdIndex(db);
  for (const fault of faults) {
    if ("row" in fault) {
      remove.run(fault.row.seq);
      ids.remove(hashOf(fault.row.id), fault.row.seq);
    } else {
      const { table, column } = fault.of;
      const { word, instant, seq } = fault.stray;
      db.prepare(`DELETE FROM ${table} WHERE ${column} = ? AND instant = ? AND seq = ?`).run(
        word,
        instant,
        seq,
      );
    }
  }
  const writer = new PatternWriter(db);
  writer.write(faults.flatMap((fault) => ("row" in fault ? (patternOf(fault.row.line, zone) ?? []) : [])));
}

/** One JSON object a row. Returns the file. */
function keepRows(file: string, faults: readonly RowFault[]): string {
  const keptAs = `${file}.aside-${stamp()}.ndjson`;
  const fd = openSync(keptAs, "wx", 0o600);
  try {
    for (const fault of faults) writeSync(fd, `${JSON.stringify(recordOf(fault), asText)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  syncPath(dirname(keptAs));
  return keptAs;
}

function recordOf(fault: RowFault): object {
  if (!("row" in fault)) return { table: fault.of.table, ...fault.stray };
  const { line, ...columns } = fault.row;
  const text = isUtf8(line) ? { line: line.toString("utf8") } : { line_base64: line.toString("base64") };
  return { table: "patterns", ...columns, ...text };
}

/** 64 bits do not fit into JSON's numbers for everybody. */
function asText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function* salvage(driver: Driver, file: string, faults: readonly DatabaseFault[]): Generator<Repaired, void> {
  const target = `${file.replace(/\.[^./]+$/, "")}-salvaged-${stamp()}.db`;
  try {
    const db = openDamaged(driver, file);
    try {
      const zone = zoneOf(db);
      if (!zone || !salvageRows(driver, db, zone, target)) return;
    } finally {
      db.close();
    }
  } catch (error) {
    // Nothing of it can be read: its findings say so.
    if (!/^SQLITE_(CORRUPT|NOTADB|CANTOPEN|IOERR)/.test(systemCode(error) ?? "")) throw error;
    return;
  }
  for (const { does, finding } of faults) if (does === "salvage") yield { finding, keptAs: target };
}

function stamp(): string {
  return new Date().toISOString().replaceAll(":", "");
}
