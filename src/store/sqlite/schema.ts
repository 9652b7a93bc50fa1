/**
 * What stands in the database. `patterns` shows people the columns they look for first; the line is the stored
 * form, and `data`, `context` and `version` are views of it that nothing else depends on (SQLite's JSON takes
 * the first of two equal keys, JSON.parse the last). Everything that is indexed is bound from the parsed
 * pattern. `instant` is in nanoseconds since the epoch.
 *
 * A tag's or agent's row repeats the instant, so that a filter reads them newest first without a sort. What comes
 * here as format 1 is no more to be changed: later formats are migrations.
 */
import * as v from "valibot";
import { PatterndError } from "../../errors.ts";
import type { StoreMetadata } from "../backend.ts";
import type { Connection } from "./driver.ts";
import { indexIds } from "./ids.ts";

/** "ptnd" as the bytes 68 to 71 of the file: marks the database as ours, for `file` too. */
export const APPLICATION_ID = 0x70746e64;
/** What it is made of, later formats have, too: the migrations from it run on any store. */
export const FIRST_FORMAT = 1;
/** The first one with the index of ids. */
export const ID_FORMAT = 3;

/** As it stands in TABLES, and in a store until format 3; and the index that SQLite makes for it. */
const UNIQUE_ID = "pattern_id TEXT NOT NULL UNIQUE";
const UNIQUE_INDEX = "sqlite_autoindex_patterns_1";
const PLAIN_INDEX = "patternd_ids_before_format_3";

/** Brings a store from one format to the next, within a transaction. */
export type Migration = (db: Connection) => void;

/** The first one leads from format 1 to 2. A new store is made in format 1 and goes the same way. */
export const MIGRATIONS: readonly Migration[] = [
  // In the order of answers, read backwards: a walk through everything neither sorts equal instants nor reads a
  // row for its id. Newer entries are at the end, where SQLite fills pages; at the start it would leave half empty.
  (db) =>
    db.exec(`DROP INDEX patterns_by_instant;
CREATE INDEX patterns_by_instant ON patterns (instant, pattern_id DESC);`),
  indexIdsByHash,
];

export function newestFormat(migrations: readonly Migration[]): number {
  return FIRST_FORMAT + migrations.length;
}

const TABLES = `
CREATE TABLE store (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE patterns (
  pattern_id TEXT NOT NULL UNIQUE,
  pattern_type TEXT NOT NULL,
  timestamp TEXT NOT NULL,
  data TEXT GENERATED ALWAYS AS (line -> '$.data') VIRTUAL,
  context TEXT GENERATED ALWAYS AS (line -> '$.context') VIRTUAL,
  version TEXT GENERATED ALWAYS AS (coalesce(line ->> '$.version', '1.0')) VIRTUAL,
  instant INTEGER NOT NULL,
  project TEXT,
  session TEXT,
  host TEXT,
  line TEXT NOT NULL,
  seq INTEGER PRIMARY KEY
) STRICT;
CREATE INDEX patterns_by_instant ON patterns (instant);
CREATE INDEX patterns_by_type ON patterns (pattern_type, instant);
CREATE INDEX patterns_by_project ON patterns (project, instant) WHERE project IS NOT NULL;
CREATE INDEX patterns_by_session ON patterns (session, instant) WHERE session IS NOT NULL;
CREATE INDEX patterns_by_host ON patterns (host, instant) WHERE host IS NOT NULL;

CREATE TABLE pattern_tags (
  tag TEXT NOT NULL, instant INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (tag, instant, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE pattern_agents (
  agent TEXT NOT NULL, instant INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (agent, instant, seq)
) STRICT, WITHOUT ROWID;
`;

function indexIdsByHash(db: Connection): void {
  db.exec(`
CREATE TABLE ids_recent (
  hash INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (hash, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE ids_settled (
  hash INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (hash, seq)
) STRICT, WITHOUT ROWID;`);
  indexIds(db);
  if (isAsCreated(db)) dropUniqueIds(db);
  dropStatistics(db);
}

/** Earlier programs made them of small stores, too (file.ts). */
function dropStatistics(db: Connection): void {
  if (!db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").get()) return;
  db.exec("DELETE FROM sqlite_stat1; ANALYZE sqlite_schema");
}

/** Whether nobody altered the table of patterns, or refers to its ids: else UNIQUE, which does no harm, is left. */
function isAsCreated(db: Connection): boolean {
  const table = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'patterns' AND instr(sql, ?)");
  const index = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = ? AND sql IS NULL");
  const references = db.prepare(`
SELECT 1 FROM sqlite_schema AS s JOIN pragma_foreign_key_list(s.name) AS f
WHERE s.type = 'table' AND f."table" = 'patterns' COLLATE NOCASE`);
  return (
    table.get(UNIQUE_ID) !== undefined &&
    index.get(UNIQUE_INDEX) !== undefined &&
    references.get() === undefined
  );
}

/**
 * SQLite can't drop the index that it made for UNIQUE, so it becomes a plain one first, which is the same in the file
 * (https://www.sqlite.org/fileformat2.html#representation_of_sql_indices).
 */
function dropUniqueIds(db: Connection): void {
  const rename = "UPDATE sqlite_schema SET name = ?, sql = ? WHERE name = ?";
  const relax = "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = 'patterns'";
  db.unsafeMode(true);
  db.pragma("writable_schema = ON");
  db.prepare(rename).run(PLAIN_INDEX, `CREATE INDEX ${PLAIN_INDEX} ON patterns (pattern_id)`, UNIQUE_INDEX);
  db.prepare(relax).run(UNIQUE_ID, UNIQUE_ID.replace(" UNIQUE", ""));
  db.pragma("writable_schema = RESET");
  db.unsafeMode(false);
  db.exec(`DROP INDEX ${PLAIN_INDEX}`);
}

/** Whether the store has `ID_FORMAT` or a newer one, whatever its header says. */
export function hasIdIndex(db: Connection): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'ids_settled'").get() !== undefined;
}

/** For work that may sort something of every pattern, which does not belong in memory; outside a transaction. */
export function sortingOnDisk<T>(db: Connection, work: () => T): T {
  const before = v.parse(integerSchema, db.pragma("temp_store", { simple: true }));
  db.pragma("temp_store = FILE");
  try {
    return work();
  } finally {
    db.pragma(`temp_store = ${before}`);
  }
}

/** Fills an empty database with what can't be changed later, and the tables. */
export function createSchema(db: Connection, fixed: { timezone: string; created: string }): void {
  db.pragma("page_size = 8192");
  db.pragma("auto_vacuum = INCREMENTAL");
  db.pragma("encoding = 'UTF-8'");
  db.transaction(() => {
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${FIRST_FORMAT}`);
    db.exec(TABLES);
    const put = db.prepare("INSERT INTO store (key, value) VALUES (?, ?)");
    for (const [key, value] of Object.entries(fixed)) put.run(key, value);
  }).immediate();
}

/**
 * Runs what is missing, in one transaction: a store is never between two formats.
 *
 * @throws PatterndError `store_newer`
 */
export function migrate(db: Connection, migrations: readonly Migration[] = MIGRATIONS): void {
  const newest = newestFormat(migrations);
  const format = integerPragma(db, "user_version");
  refuseNewer(db.name, format, newest);
  if (format === newest) return;
  const steps = db.transaction(() => {
    for (const run of migrations.slice(format - FIRST_FORMAT)) run(db);
    db.pragma(`user_version = ${newest}`);
  });
  sortingOnDisk(db, () => steps.immediate());
  // The format must stand in the file's own header, where it is looked at before SQLite opens the file.
  db.pragma("wal_checkpoint(TRUNCATE)");
}

/** @throws PatterndError `store_newer`, naming both formats. */
export function refuseNewer(file: string, format: number, newest: number): void {
  if (format <= newest) return;
  const message = `${file} has format ${format}; this program knows formats up to ${newest}`;
  throw new PatterndError("store_newer", message);
}

const integerSchema = v.pipe(v.number(), v.integer());
const timezoneSchema = v.string();

export function integerPragma(db: Connection, name: "application_id" | "user_version"): number {
  return v.parse(integerSchema, db.pragma(name, { simple: true }));
}

export function readMetadata(db: Connection): StoreMetadata {
  const timezone = db.prepare("SELECT value FROM store WHERE key = 'timezone'").pluck().get();
  return { format: integerPragma(db, "user_version"), timezone: v.parse(timezoneSchema, timezone) };
}
