import {
  closeSync,
  existsSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { messageOf, PatterndError, systemCode } from "../../errors.ts";
import { sqlitePath } from "../../sqlite-path.ts";
import { syncPath } from "../durable.ts";
import { type Connection, type Driver, isFull } from "./driver.ts";
import {
  APPLICATION_ID,
  createSchema,
  integerPragma,
  type Migration,
  migrate,
  newestFormat,
  refuseNewer,
} from "./schema.ts";

// Where these stand in a database's first 100 bytes: https://www.sqlite.org/fileformat2.html
const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";
const USER_VERSION_AT = 60;
const APPLICATION_ID_AT = 68;

/** How long a call waits for somebody else's transaction (a person in the sqlite3 shell). */
export const BUSY_MS = 5000;

const SMALL_ROWS = 10_000;

/** The files that SQLite keeps beside a database. */
export const COMPANIONS = ["-wal", "-shm", "-journal"];

/** The store's file. Links are followed: the lock is the file's own. */
export function storeFile(path: string): string {
  const named = sqlitePath(resolve(path));
  return existsSync(named) ? realpathSync(named) : named;
}

/**
 * Whether a store of ours is in the file; a missing or an empty file is none yet.
 *
 * @throws PatterndError `store_foreign`, `store_newer`
 */
export function isStore(driver: Driver, file: string, migrations: readonly Migration[]): boolean {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat || (stat.isFile() && stat.size === 0)) return false;
  const mark = stat.isFile() ? readMark(driver, file) : undefined;
  if (!mark) throw new PatterndError("store_foreign", `${file} exists and is not an SQLite database`);
  if (mark.applicationId !== APPLICATION_ID || mark.format < 1) {
    throw new PatterndError("store_foreign", `${file} is an SQLite database that patternd did not create`, {
      hint: `Choose another path for the store, then bring its patterns in with: patternd import ${quoted(file)}`,
    });
  }
  refuseNewer(file, mark.format, newestFormat(migrations));
  return true;
}

/** Builds the store beside its place and puts it there whole: a crash leaves no half of one. */
export function createStore(
  driver: Driver,
  file: string,
  timezone: string,
  migrations: readonly Migration[],
): void {
  const building = `${file}.new`;
  for (const suffix of ["", ...COMPANIONS]) rmSync(building + suffix, { force: true });
  // SQLite gives its other files the mode of this one.
  writeFileSync(building, "", { mode: 0o600, flag: "wx" });
  const db = new driver(building);
  try {
    createSchema(db, { timezone, created: new Date().toISOString() });
    migrate(db, migrations);
    db.pragma("journal_mode = WAL");
  } finally {
    db.close();
  }
  syncPath(building);
  // Left by a database that is gone: SQLite would read another store's pages into this one.
  for (const suffix of COMPANIONS) rmSync(file + suffix, { force: true });
  renameSync(building, file);
  syncPath(dirname(file));
}

export function openWriter(driver: Driver, file: string): Connection {
  return new driver(file, { fileMustExist: true, timeout: BUSY_MS });
}

export function configureWriter(db: Connection, durability: "fsync" | "os"): void {
  db.pragma("journal_mode = WAL");
  // The driver is built with NORMAL for WAL, which loses the last commits in a power cut.
  db.pragma(`synchronous = ${durability === "fsync" ? "FULL" : "NORMAL"}`);
  db.pragma("wal_autocheckpoint = 10000");
  db.pragma("cache_size = -12288");
  db.pragma("temp_store = MEMORY");
  // Of what is replaced or deleted nothing is left in pages that are written anyway.
  db.pragma("secure_delete = FAST");
  // A crash may have left commits in the WAL that are readable and not durable. A sender that sends one of them
  // again is told that it is stored, so they have to be: a checkpoint syncs them.
  if (durability === "fsync") syncWal(db);
}

function syncWal(db: Connection): void {
  try {
    db.pragma("wal_checkpoint(PASSIVE)");
  } catch (error) {
    if (!isFull(error)) throw error;
    // The database can't grow; where they stand they can be durable, too.
    syncPath(`${db.name}-wal`);
  }
}

/** Renews SQLite's statistics; not those of a small store, which would stay while it grows and advise to look at every row. */
export function optimize(db: Connection): void {
  const isSmall = db.prepare("SELECT 1 FROM patterns LIMIT 1 OFFSET ?").get(SMALL_ROWS) === undefined;
  if (!isSmall) db.pragma("optimize");
}

/** @throws PatterndError `store_failed` where SQLite may not write beside the database, as it must to read one with a WAL. */
export function openReader(driver: Driver, file: string): Connection {
  const db = new driver(file, { readonly: true, fileMustExist: true, timeout: BUSY_MS });
  db.pragma("query_only = ON");
  try {
    // The first look at the file itself.
    db.pragma("schema_version");
  } catch (cause) {
    // Damage is for whoever reads on, a check among them.
    if (!/^SQLITE_(READONLY|CANTOPEN)/.test(systemCode(cause) ?? "")) return db;
    db.close();
    throw new PatterndError("store_failed", `${file} can't be read where it is: ${messageOf(cause)}`, {
      cause,
      hint: "To read it, SQLite writes -wal and -shm files beside it: open it as a user who may, or copy it (all three files) to where that is possible.",
    });
  }
  return db;
}

/**
 * To read what is left of a damaged database: SQLite answers nothing of one that is shorter than its header says, or has
 * a damaged schema, unless its schema may be written, which nobody does here.
 */
export function openDamaged(driver: Driver, file: string): Connection {
  const db = openReader(driver, file);
  db.unsafeMode(true);
  db.pragma("writable_schema = ON");
  return db;
}

/** Who made the database, and in which format; undefined if it is none. */
interface Mark {
  readonly applicationId: number;
  readonly format: number;
}

/**
 * Without SQLite where possible: it leaves files of its own beside a database that it merely reads. But where
 * such files are, a connection may be open in this process, perhaps in another thread, and closing any
 * descriptor of the file would drop that connection's locks (https://www.sqlite.org/howtocorrupt.html, 2.2).
 */
function readMark(driver: Driver, file: string): Mark | undefined {
  return existsSync(`${file}-wal`) || existsSync(`${file}-shm`) ? askMark(driver, file) : readHeader(file);
}

function askMark(driver: Driver, file: string): Mark | undefined {
  const db = openReader(driver, file);
  try {
    return { applicationId: integerPragma(db, "application_id"), format: integerPragma(db, "user_version") };
  } catch (error) {
    if (systemCode(error) === "SQLITE_NOTADB") return undefined;
    throw error;
  } finally {
    db.close();
  }
}

function readHeader(file: string): Mark | undefined {
  const fd = openSync(file, "r");
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    const bytes = readSync(fd, header);
    if (bytes < HEADER_BYTES || !header.toString("latin1").startsWith(MAGIC)) return undefined;
    return {
      applicationId: header.readInt32BE(APPLICATION_ID_AT),
      format: header.readInt32BE(USER_VERSION_AT),
    };
  } finally {
    closeSync(fd);
  }
}

/** As one word of a shell. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
