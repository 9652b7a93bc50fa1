/** Whether the tables and indexes of a store are there. What somebody added, or altered, is theirs. */
import * as v from "valibot";
import type { Connection, Driver } from "../driver.ts";
import { ID_TABLES } from "../ids.ts";
import {
  createSchema,
  FIRST_FORMAT,
  hasIdIndex,
  ID_FORMAT,
  integerPragma,
  MIGRATIONS,
  migrate,
  newestFormat,
} from "../schema.ts";

const made = v.array(
  v.object({ type: v.picklist(["table", "index"]), name: v.string(), table: v.string(), sql: v.string() }),
);
type Made = v.InferOutput<typeof made>[number];

/** What is wrong with a database's schema, at one moment. */
export interface SchemaLook {
  /** The header's format, if it is one and the tables are of a later one. */
  readonly format: number | undefined;
  /** Tables that nothing but a new store brings back. */
  readonly lost: readonly string[];
  /** What can be made anew. */
  readonly missing: readonly Made[];
}

export function lookAtSchema(driver: Driver, db: Connection): SchemaLook {
  return db.transaction(() => {
    const header = integerPragma(db, "user_version");
    const hasIds = hasIdIndex(db);
    const names = namesIn(db);
    const format = hasIds ? newestFormat(MIGRATIONS) : Math.max(header, FIRST_FORMAT);
    const absent = schemaOf(driver, format).filter(({ name }) => !names.has(name));
    const isMade = ({ type, name }: Made) => type === "index" || isIdTable(name);
    const lost = absent.filter((one) => !isMade(one)).map(({ name }) => name);
    const missing = absent.filter((one) => isMade(one) && !lost.includes(one.table));
    const isBehind = hasIds && header >= FIRST_FORMAT && header < ID_FORMAT;
    return { format: isBehind ? header : undefined, lost, missing };
  })();
}

/** Makes what is missing; returns whether the tables of ids have to be filled. Within the transaction of whoever asks. */
export function createMissing(driver: Driver, db: Connection): boolean {
  const { missing } = lookAtSchema(driver, db);
  for (const { sql } of missing) db.exec(sql);
  return missing.some(({ name }) => isIdTable(name));
}

export function hasIdTables(db: Connection): boolean {
  const names = namesIn(db);
  return ID_TABLES.every((table) => names.has(table));
}

function namesIn(db: Connection): Set<string> {
  return new Set(db.prepare<[], string>("SELECT name FROM sqlite_schema").pluck().all());
}

function isIdTable(name: string): boolean {
  return ID_TABLES.some((table) => table === name);
}

/** Of a new store of this format; without what SQLite makes by itself. */
function schemaOf(driver: Driver, format: number): Made[] {
  const db = new driver(":memory:");
  try {
    createSchema(db, { timezone: "UTC", created: "" });
    migrate(db, MIGRATIONS.slice(0, format - FIRST_FORMAT));
    const all = "SELECT type, name, tbl_name AS 'table', sql FROM sqlite_schema WHERE sql IS NOT NULL";
    return v.parse(made, db.prepare(all).all());
  } finally {
    db.close();
  }
}
