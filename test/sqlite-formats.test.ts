/** Stores of SQLite in older formats, and what becomes of them. */
import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import type { Pattern } from "../src/pattern/pattern.ts";
import type { OpenOptions } from "../src/store/backend.ts";
import { openSqlite } from "../src/store/sqlite/backend.ts";
import { sqliteChecker } from "../src/store/sqlite/check/check.ts";
import { createStore } from "../src/store/sqlite/file.ts";
import { MIGRATIONS, type Migration } from "../src/store/sqlite/schema.ts";
import { findingsOf } from "./check-world.ts";
import { instantOf, LATER, lineOf, note, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";
import { sql } from "./sqlite-world.ts";

const open = (options: OpenOptions) => openSqlite(options);
const fileOf = (place: Place) => `${place.path}.db`;

describe("sqlite: formats", () => {
  const migrations: Migration[] = [
    ...MIGRATIONS,
    (db) => db.exec("ALTER TABLE patterns ADD COLUMN colour TEXT"),
    (db) => db.exec("UPDATE patterns SET colour = 'blue'"),
  ];

  test("an older store is brought to the newest, once", async () => {
    const place = new Place((options) => openSqlite(options, migrations));
    const old = await openSqlite({ path: place.path, durability: "os", timezone: "UTC", readOnly: false });
    await old.write([note("a")]);
    await old.close();
    await expect(place.open({ readOnly: true })).rejects.toThrow("has format 3; this program reads format 5");
    const migrated = await place.open();
    expect(migrated.metadata.format).toBe(5);
    // In the file itself, where an older program looks.
    expect(readFileSync(fileOf(place)).readInt32BE(60)).toBe(5);
    await migrated.write([note("b")]);
    await migrated.close();
    const again = await place.open();
    expect(await walk(again)).toHaveLength(2);
    await again.close();
    expect(sql(fileOf(place), "SELECT pattern_id, colour FROM patterns ORDER BY 1")).toEqual([
      ["a", "blue"],
      ["b", null],
    ]);
    await expect(
      open({ path: place.path, durability: "os", timezone: "UTC", readOnly: false }),
    ).rejects.toMatchObject({
      code: "store_newer",
    });
  });

  test("a migration that fails leaves the store as it was", async () => {
    const broken = [...migrations, () => JSON.parse("no JSON")];
    const place = new Place((options) => openSqlite(options, broken));
    const options = { path: place.path, durability: "os", timezone: "UTC", readOnly: false } as const;
    await (await openSqlite(options)).close();
    await expect(place.open()).rejects.toThrow(SyntaxError);
    const old = await openSqlite(options);
    expect(old.metadata.format).toBe(3);
    await old.close();
  });

  test.each([1, 2])("a store of format %i opens, and answers as before", async (format) => {
    const place = new Place(open);
    createStore(Database, fileOf(place), "UTC", MIGRATIONS.slice(0, format - 1));
    const at = "2026-05-01T10:00:00Z";
    const old = [note("b", { at }), note("a", { at }), note("c", { at: "2026-05-02" })];
    insertRows(fileOf(place), old);
    expect(await findingsOf(await sqliteChecker(fileOf(place)))).toEqual([]);
    await expect(place.open({ readOnly: true })).rejects.toMatchObject({
      code: "store_failed",
      hint: expect.stringContaining("Open the store once for writing"),
    });
    const migrated = await place.open();
    expect(migrated.metadata.format).toBe(3);
    expect(await walk(migrated, {}, 1)).toEqual([old[2], old[1], old[0]].map((one) => one && lineOf(one)));
    expect(await migrated.get("b")).toBe(lineOf(note("b", { at })));
    expect(await migrated.write([...old, note("d")])).toEqual([
      "superseded",
      "superseded",
      "superseded",
      "stored",
    ]);
    await migrated.close();
    expect(sql(fileOf(place), "PRAGMA integrity_check")).toEqual([["ok"]]);
    const unique = "SELECT name FROM sqlite_schema WHERE tbl_name = 'patterns' AND sql IS NULL";
    expect(sql(fileOf(place), unique)).toEqual([]);
    expect(await findingsOf(await sqliteChecker(fileOf(place)))).toEqual([]);
  });
});

describe("sqlite: an older table of patterns that somebody altered keeps UNIQUE", () => {
  test.each([
    [
      "other blanks and quotes",
      `PRAGMA writable_schema = ON;
       UPDATE sqlite_schema SET sql = replace(sql, 'pattern_id TEXT', '"pattern_id"  TEXT') WHERE name = 'patterns';
       PRAGMA writable_schema = RESET`,
    ],
    [
      "a reference to its ids",
      "CREATE TABLE remarks (id TEXT REFERENCES Patterns (pattern_id), remark TEXT)",
    ],
  ])("%s", async (_, change) => {
    const place = new Place(open);
    createStore(Database, fileOf(place), "UTC", MIGRATIONS.slice(0, 1));
    insertRows(fileOf(place), [note("a"), note("b")]);
    const db = new Database(fileOf(place));
    db.unsafeMode();
    db.exec(change);
    db.close();
    const migrated = await place.open();
    expect(migrated.metadata.format).toBe(3);
    expect(await migrated.write([note("a"), note("c")])).toEqual(["superseded", "stored"]);
    expect(await migrated.deleteOlderThan(instantOf(LATER))).toBe(3);
    await migrated.close();
    expect(sql(fileOf(place), "PRAGMA integrity_check")).toEqual([["ok"]]);
    expect(await findingsOf(await sqliteChecker(fileOf(place)))).toEqual([]);
  });
});

/** As a program of format 1 or 2 did, as far as these patterns need it. */
function insertRows(file: string, patterns: readonly Pattern[]): void {
  const db = new Database(file);
  const insert = db.prepare(
    "INSERT INTO patterns (pattern_id, pattern_type, timestamp, instant, line) VALUES (?, ?, ?, ?, ?)",
  );
  for (const one of patterns) insert.run(one.id, one.type, one.timestamp, one.instant, lineOf(one));
  db.close();
}
