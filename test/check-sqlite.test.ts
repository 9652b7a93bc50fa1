/** A database, damaged in one way: what a check finds, and what a repair makes of it. */
import { chmodSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import Database from "better-sqlite3";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Backend } from "../src/store/backend.ts";
import { sqliteChecker } from "../src/store/sqlite/check/check.ts";
import { createStore } from "../src/store/sqlite/file.ts";
import { MIGRATIONS } from "../src/store/sqlite/schema.ts";
import { asideOf, closed, findings, open, repairs, run, stored } from "./check-sqlite-world.ts";
import { findingsOf, kindsOf } from "./check-world.ts";
import { batches, instantOf, lineOf, Model, note, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";
import { newSeed } from "./process/patterns.ts";

const harm: [string, string, string[]][] = [
  ["an instant that is another", "UPDATE patterns SET instant = 7 WHERE pattern_id = 'a'", ["row_differs"]],
  ["a column that is another", "UPDATE patterns SET project = 'q' WHERE pattern_id = 'a'", ["row_differs"]],
  [
    "an id that is another",
    "UPDATE patterns SET pattern_id = 'z' WHERE pattern_id = 'b'",
    ["row_differs", "sqlite_index_wrong"],
  ],
  [
    "a second row of an id",
    `INSERT INTO patterns (pattern_id, pattern_type, timestamp, instant, line)
     SELECT pattern_id, pattern_type, timestamp, instant, line FROM patterns WHERE pattern_id = 'b';
     INSERT INTO ids_recent SELECT hash, 4 FROM ids_recent WHERE seq = 2`,
    ["row_twice"],
  ],
  ["a row that no id leads to", "DELETE FROM ids_recent WHERE seq = 2", ["sqlite_index_wrong"]],
  ["a missing tag", "DELETE FROM pattern_tags WHERE tag = 'y'", ["row_differs"]],
  ["a missing agent", "DELETE FROM pattern_agents", ["row_differs"]],
  [
    "a tag that is too much",
    "INSERT INTO pattern_tags SELECT 'z', instant, seq FROM patterns WHERE pattern_id = 'b'",
    ["word_stray"],
  ],
  ["a tag of no pattern", "INSERT INTO pattern_tags VALUES ('x', 7, 99)", ["word_stray"]],
  ["an application id", "PRAGMA application_id = 0", ["header_wrong"]],
  ["a format of none", "PRAGMA user_version = 0", ["header_wrong"]],
  ["a format before its tables'", "PRAGMA user_version = 2", ["header_wrong"]],
  ["a format long before its tables'", "PRAGMA user_version = 1", ["header_wrong"]],
  ["a missing index", "DROP INDEX patterns_by_type", ["sqlite_index_wrong"]],
  [
    "a format and an index",
    "PRAGMA user_version = 2; DROP INDEX patterns_by_instant; DROP INDEX patterns_by_project",
    ["header_wrong", "sqlite_index_wrong", "sqlite_index_wrong"],
  ],
  ["no table of new ids", "DROP TABLE ids_recent", ["sqlite_index_wrong"]],
  ["no table of older ids", "DROP TABLE ids_settled", ["sqlite_index_wrong"]],
  [
    "no table of ids, and a row that differs",
    "DROP TABLE ids_recent; DROP TABLE ids_settled; UPDATE patterns SET project = 'q' WHERE pattern_id = 'a'",
    ["row_differs", "sqlite_index_wrong", "sqlite_index_wrong"],
  ],
];

test.each(harm)("%s is found, and repaired", async (_, sql, finds) => {
  const { place, file } = await closed();
  run(file, sql);
  expect(kindsOf(await findings(file))).toEqual(finds);
  expect(kindsOf((await repairs(file)).map(({ finding }) => finding))).toEqual(expect.arrayContaining(finds));
  expect(await findings(file)).toEqual([]);
  expect(asideOf(place).length > 0).toBe(!["header_wrong", "sqlite_index_wrong"].includes(finds[0] ?? ""));
  const again = await place.open();
  const model = new Model();
  model.write(stored);
  for (const filter of [
    {},
    { tags: ["x"] },
    { tags: ["y"] },
    { agent: "m" },
    { project: "p" },
    { tags: ["z"] },
  ])
    expect(await walk(again, filter)).toEqual(model.lines(filter));
  expect(await again.stats()).toMatchObject({ patterns: 3, byType: { note: 3 } });
  expect(await again.write(stored)).toEqual(["superseded", "superseded", "superseded"]);
});

test("a line that is no pattern is taken out and kept", async () => {
  const { place, file } = await closed();
  run(file, `UPDATE patterns SET line = '{"odd":1}' WHERE pattern_id = 'a'`);
  expect(kindsOf(await findings(file))).toEqual(["row_damaged"]);
  const done = await repairs(file);
  // The rows of its tags and agents go with it.
  expect(kindsOf(done.map(({ finding }) => finding))).toEqual([
    "row_damaged",
    "word_stray",
    "word_stray",
    "word_stray",
  ]);
  expect(asideOf(place)[0]).toMatchObject({ table: "patterns", id: "a", seq: "1", line: '{"odd":1}' });
  expect(await findings(file)).toEqual([]);
  expect(await walk(await place.open({ readOnly: true }))).toEqual(
    [stored[2], stored[1]].map((one) => one && lineOf(one)),
  );
});

test.each([1, 2])("a store of format %i is checked, and mended as the newest", async (format) => {
  const place = new Place(open);
  const file = `${place.path}.db`;
  createStore(Database, file, "UTC", MIGRATIONS.slice(0, format - 1));
  const insert = "INSERT INTO patterns (pattern_id, pattern_type, timestamp, instant, line) VALUES";
  const [a, b] = [note("a"), note("b")];
  const row = (one: typeof a) =>
    `('${one.id}', 'note', '${one.timestamp}', ${one.instant}, '${lineOf(one)}')`;
  run(
    file,
    `${insert} ${row(a)}; ${insert} ${row(b)}; UPDATE patterns SET instant = 7 WHERE pattern_id = 'a'`,
  );
  expect(kindsOf(await findings(file))).toEqual(["row_differs"]);
  writeFileSync(`${file}.lock`, "", { mode: 0o600 });
  run(file, "PRAGMA user_version = 0");
  expect(kindsOf((await repairs(file)).map(({ finding }) => finding))).toEqual([
    "header_wrong",
    "row_differs",
  ]);
  expect(await findings(file)).toEqual([]);
  expect(await walk(await place.open())).toEqual([lineOf(a), lineOf(b)]);
});

test("a line with raw newlines is found, and put on one line", async () => {
  const { place, file } = await closed();
  const line = lineOf(note("b", { data: { n: 1 } }));
  const wide = `${line.slice(0, -1).replaceAll(",", ",\n  ")}\r\n}`;
  run(file, `UPDATE patterns SET line = '${wide}' WHERE pattern_id = 'b'`);
  expect(await findings(file)).toMatchObject([{ kind: "row_multiline", row: 2n }]);
  expect(kindsOf((await repairs(file)).map(({ finding }) => finding))).toEqual(["row_multiline"]);
  expect(asideOf(place)).toMatchObject([{ table: "patterns", id: "b", line: wide }]);
  expect(await findings(file)).toEqual([]);
  // Nothing else is altered.
  expect(await (await place.open({ readOnly: true })).get("b")).toBe(wide.replaceAll("\n", " "));
});

test("of two rows that are one pattern, the newer version stays", async () => {
  const { place, file } = await closed();
  const older = lineOf(note("b", { at: "2026-01-01" }));
  run(file, `UPDATE patterns SET line = '${older}' WHERE pattern_id = 'a'`);
  expect(kindsOf(await findings(file))).toContain("row_differs");
  await repairs(file);
  expect(await findings(file)).toEqual([]);
  expect(await (await place.open({ readOnly: true })).get("b")).toBe(lineOf(note("b")));
});

test.each([1, 2])("an index that a store of format %i lacks is made anew", async (format) => {
  const place = new Place(open);
  const file = `${place.path}.db`;
  createStore(Database, file, "UTC", MIGRATIONS.slice(0, format - 1));
  run(file, "DROP INDEX patterns_by_instant");
  expect(kindsOf(await findings(file))).toEqual(["sqlite_index_wrong"]);
  expect(kindsOf((await repairs(file)).map(({ finding }) => finding))).toEqual(["sqlite_index_wrong"]);
  expect(await findings(file)).toEqual([]);
});

test("an index that lacks a row is made anew", async () => {
  const { place, file } = await closed();
  run(
    file,
    `
    CREATE TABLE away AS SELECT sql FROM sqlite_schema WHERE name = 'patterns_by_instant';
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = 'CREATE INDEX patterns_by_instant ON patterns (instant) WHERE instant < 0' WHERE name = 'patterns_by_instant';`,
  );
  run(
    file,
    `
    REINDEX patterns_by_instant;
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = (SELECT sql FROM away) WHERE name = 'patterns_by_instant';
    DROP TABLE away;`,
  );
  expect(kindsOf(await findings(file))).toEqual(["sqlite_index_wrong"]);
  expect(kindsOf((await repairs(file)).map(({ finding }) => finding))).toEqual(["sqlite_index_wrong"]);
  expect(await findings(file)).toEqual([]);
  expect(await walk(await place.open({ readOnly: true }))).toHaveLength(3);
});

test("what stands alone, or lets others read, is said", async () => {
  const { file } = await closed();
  chmodSync(file, 0o644);
  expect(kindsOf(await findings(file))).toEqual(["mode_wrong"]);
  await repairs(file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  chmodSync(file, 0o400);
  expect(await findings(file)).toEqual([]);
  renameSync(file, `${file}-wal`);
  expect(kindsOf(await findings(file))).toEqual(["wal_alone"]);
  expect(await repairs(file)).toEqual([]);
  await expect(sqliteChecker(`${file}x`)).rejects.toMatchObject({ code: "store_not_found" });
});

test("somebody else's database is refused, and a repair needs the store for itself", async () => {
  const place = new Place(open);
  run(`${place.path}-other.db`, "CREATE TABLE t (x)");
  await expect(findings(`${place.path}-other.db`)).rejects.toMatchObject({ code: "store_foreign" });
  await place.open();
  await expect(repairs(`${place.path}.db`)).rejects.toMatchObject({ code: "store_locked" });
});

test("a whole store has no finding, whatever happened to it, and while it is open", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: batches },
    fc.constantFrom("delete" as const, "reopen" as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (history) => {
      const place = new Place(open);
      const model = new Model();
      let backend: Backend = await place.open();
      for (const taken of history) {
        if (taken === "delete") {
          const cutoff = instantOf("2026-05-01T12:00:00Z");
          expect(await backend.deleteOlderThan(cutoff)).toBe(model.deleteOlderThan(cutoff));
        } else if (taken === "reopen") {
          await backend.close();
          backend = await place.open();
        } else for (const batch of taken) expect(await backend.write(batch)).toEqual(model.write(batch));
        const tally = { patterns: 0, bytes: 0 };
        expect(await findingsOf(await sqliteChecker(place.path), tally)).toEqual([]);
        expect(tally.patterns).toBe(model.lines({}).length);
      }
      await place.remove();
    }),
    { seed: newSeed("check of sqlite after histories"), numRuns: 30 },
  );
});

test("a database that can't be read where it is is not called damaged", async () => {
  const { place, file } = await closed();
  // What a folder without permission to write does, to root too.
  rmSync(`${file}-wal`, { force: true });
  mkdirSync(`${file}-wal`);
  const said = { code: "store_failed", message: expect.stringContaining("can't be read where it is") };
  await expect(findings(file)).rejects.toMatchObject(said);
  await expect(place.open({ readOnly: true })).rejects.toMatchObject(said);
});

test("what waits in the WAL counts among the bytes", async () => {
  const { place, file } = await closed();
  const backend = await place.open();
  await backend.write([note("wide", { context: { wide: "x".repeat(500_000) } })]);
  const tally = { patterns: 0, bytes: 0 };
  expect(await findingsOf(await sqliteChecker(file), tally)).toEqual([]);
  expect(tally.bytes).toBe(statSync(file).size + statSync(`${file}-wal`).size);
  expect(tally.bytes).toBeGreaterThan(500_000);
});
