/** One look at a whole database. */
import { existsSync, lstatSync, statSync } from "node:fs";
import * as v from "valibot";
import { messageOf, PatterndError, systemCode } from "../../../errors.ts";
import { Zone } from "../../../pattern/zone.ts";
import { type Finding, isOpenToOthers, type Tally } from "../../finding.ts";
import { type Connection, type Driver, isCorrupt } from "../driver.ts";
import { isStore, openDamaged, openReader } from "../file.ts";
import { APPLICATION_ID, integerPragma, MIGRATIONS, newestFormat, readMetadata } from "../schema.ts";
import { checkRows, type RowFault } from "./rows.ts";
import { lookAtSchema } from "./schema.ts";

const FILE_MODE = 0o600;
/** SQLite's words about an index that does not fit its table. */
const OF_AN_INDEX =
  /^(?:row \d+ missing from index|wrong # of entries in index|non-unique entry in index) (\S+)/;
const MOST_MESSAGES = 100;

/** What a repair does something about, in the terms of each. */
export type DatabaseFault =
  | { readonly does: "row"; readonly fault: RowFault; readonly finding: Finding }
  | {
      readonly does: "mode" | "header" | "create" | "reindex" | "ids" | "salvage" | "nothing";
      readonly finding: Finding;
    };

/** Everything that is wrong; what can't be told any more because of it is left out. */
export function* lookInto(driver: Driver, file: string, tally: Tally): Generator<DatabaseFault, void> {
  if (!existsSync(file)) {
    yield {
      does: "nothing",
      finding: { kind: "wal_alone", file: `${file}-wal`, found: "no database beside it" },
    };
    return;
  }
  for (const one of ["", "-wal", "-shm", ".lock"]) yield* modeFaults(file + one);
  const header = headerFault(driver, file);
  if (header) yield header;
  const isReadable = header?.does !== "salvage" && (yield* databaseFaults(driver, file, tally));
  if (!isReadable) yield* zoneFaults(driver, file);
}

/** Returns whether it can be read, so that nothing needs to be salvaged. */
function* databaseFaults(driver: Driver, file: string, tally: Tally): Generator<DatabaseFault, boolean> {
  const db = openReader(driver, file);
  try {
    let isReadable = true;
    for (const faults of [integrityFaults(db, file), schemaFaults(driver, db, file)]) {
      for (const fault of faults) {
        isReadable &&= fault.does !== "salvage";
        yield fault;
      }
      if (!isReadable) return false;
    }
    yield* contentFaults(db, file, tally);
    return true;
  } finally {
    db.close();
  }
}

/** Why nothing is salvaged, if so. */
function* zoneFaults(driver: Driver, file: string): Generator<DatabaseFault, void> {
  const db = openDamaged(driver, file);
  try {
    if (!zoneOf(db)) yield lostZone(file);
  } finally {
    db.close();
  }
}

function lostZone(file: string): DatabaseFault {
  const found = "the table store names no zone: timestamps without one can't be read";
  return { does: "nothing", finding: { kind: "metadata_damaged", file, found } };
}

function* modeFaults(file: string): Generator<DatabaseFault, void> {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  const mode = (stat?.mode ?? FILE_MODE) & 0o7777;
  if (!stat?.isFile() || !isOpenToOthers(mode)) return;
  const found = `mode ${mode.toString(8).padStart(4, "0")}`;
  yield { does: "mode", finding: { kind: "mode_wrong", file, found } };
}

/** @throws PatterndError `store_foreign` if nothing tells that the database is ours, `store_newer`. */
function headerFault(driver: Driver, file: string): DatabaseFault | undefined {
  try {
    if (isStore(driver, file, MIGRATIONS)) return undefined;
    return { does: "salvage", finding: { kind: "database_damaged", file, found: "an empty file" } };
  } catch (error) {
    // Asked where SQLite's own files are beside it: it answers nothing of a database that is cut off.
    if (isCorrupt(error))
      return { does: "salvage", finding: { kind: "database_damaged", file, found: messageOf(error) } };
    const isOurs = existsSync(`${file}.lock`);
    if (!isOurs || !(error instanceof PatterndError) || error.code !== "store_foreign") throw error;
    const found = headerOf(driver, file);
    if (found === undefined)
      return {
        does: "salvage",
        finding: { kind: "database_damaged", file, found: "no database of patternd's" },
      };
    return { does: "header", finding: { kind: "header_wrong", file, found } };
  }
}

/** What the header says, of a database that otherwise has what ours have. */
function headerOf(driver: Driver, file: string): string | undefined {
  try {
    const db = openReader(driver, file);
    try {
      db.prepare("SELECT pattern_id, line, seq FROM patterns LIMIT 1").get();
      readMetadata(db);
      const id = integerPragma(db, "application_id").toString(16);
      const wanted = APPLICATION_ID.toString(16);
      return `application id ${id}, format ${integerPragma(db, "user_version")}; not ${wanted} and 1 to ${newestFormat(MIGRATIONS)}`;
    } finally {
      db.close();
    }
  } catch {
    return undefined;
  }
}

/** The quick check first: it says in a fraction of the time whether the slow one makes sense. */
function* integrityFaults(db: Connection, file: string): Generator<DatabaseFault, void> {
  const indexes = new Set<string>();
  for (const check of ["quick_check", "integrity_check"] as const) {
    for (const message of messagesOf(db, check)) {
      const index = OF_AN_INDEX.exec(message)?.[1];
      if (index === undefined) {
        yield { does: "salvage", finding: { kind: "database_damaged", file, found: message } };
        if (check === "quick_check") return;
      } else if (!indexes.has(index)) {
        indexes.add(index);
        yield {
          does: "reindex",
          finding: { kind: "sqlite_index_wrong", file, found: `${index}: ${message}` },
        };
      }
    }
  }
}

function* schemaFaults(driver: Driver, db: Connection, file: string): Generator<DatabaseFault, void> {
  const { format, lost, missing } = lookAtSchema(driver, db);
  if (format !== undefined) {
    const found = `format ${format}, with the tables of a later one`;
    yield { does: "header", finding: { kind: "header_wrong", file, found } };
  }
  // What lacks its zone is told by whoever needs that.
  const gone = lost.filter((name) => name !== "store");
  for (const name of gone)
    yield {
      does: "salvage",
      finding: { kind: "database_damaged", file, found: `no such table: ${name}` },
    };
  if (gone.length > 0) return;
  for (const { type, name } of missing)
    yield {
      does: "create",
      finding: { kind: "sqlite_index_wrong", file, found: `${name}: no such ${type}` },
    };
}

const messages = v.array(v.record(v.string(), v.string()));

function messagesOf(db: Connection, check: "quick_check" | "integrity_check"): string[] {
  try {
    const rows = v.parse(messages, db.pragma(`${check}(${MOST_MESSAGES})`));
    return rows.flatMap((row) => Object.values(row)).filter((text) => text !== "ok");
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return [messageOf(error)];
  }
}

function* contentFaults(db: Connection, file: string, tally: Tally): Generator<DatabaseFault, void> {
  const zone = zoneOf(db);
  if (zone)
    for (const fault of checkRows(db, file, zone, tally)) {
      if ("index" in fault) yield { does: fault.index, finding: fault.finding };
      else yield { does: "row", fault, finding: fault.finding };
    }
  else yield lostZone(file);
  for (const one of ["", "-wal"]) tally.bytes += statSync(file + one, { throwIfNoEntry: false })?.size ?? 0;
}

/** Undefined if the store does not say it any more. */
export function zoneOf(db: Connection): Zone | undefined {
  try {
    return new Zone(readMetadata(db).timezone);
  } catch (error) {
    if (error instanceof RangeError || error instanceof v.ValiError || systemCode(error) !== undefined)
      return undefined;
    throw error;
  }
}
