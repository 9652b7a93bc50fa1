/** A database, closed, and done harm to. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "vitest";
import type { OpenOptions } from "../src/store/backend.ts";
import { openSqlite } from "../src/store/sqlite/backend.ts";
import { sqliteChecker } from "../src/store/sqlite/check/check.ts";
import { findingsOf, repairsOf } from "./check-world.ts";
import { LATER, note } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";

export const open = (options: OpenOptions) => openSqlite(options);
const context = { tags: ["x", "y"], agent: "m", project_name: "p", session_id: "s", host: "h" };
export const stored = [note("a", { context }), note("b"), note("c", { at: LATER, context: { tags: ["x"] } })];

/** A store with these patterns, closed. */
export async function closed(patterns = stored): Promise<{ place: Place; file: string }> {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write(patterns);
  await backend.close();
  const file = `${place.path}.db`;
  expect(await findings(file)).toEqual([]);
  return { place, file };
}

export const findings = async (file: string) => findingsOf(await sqliteChecker(file));
export const repairs = async (file: string) => repairsOf(await sqliteChecker(file));
export const asideOf = (place: Place) =>
  readdirSync(place.folder)
    .filter((name) => name.includes(".aside-"))
    .flatMap((name) => readFileSync(join(place.folder, name), "utf8").trimEnd().split("\n"))
    .map((line): unknown => JSON.parse(line));

export function run(file: string, sql: string): void {
  const db = new Database(file);
  db.unsafeMode();
  db.exec(sql);
  db.close();
}
