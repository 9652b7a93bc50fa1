/** The SQLite backend and its file; what it shares with the others is in test/conformance. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { OpenOptions } from "../src/store/backend.ts";
import { openSqlite } from "../src/store/sqlite/backend.ts";
import { APPLICATION_ID } from "../src/store/sqlite/schema.ts";
import { lineOf, note, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";
import { sql } from "./sqlite-world.ts";

const open = (options: OpenOptions) => openSqlite(options);
const fileOf = (place: Place) => `${place.path}.db`;

describe("sqlite: the file", () => {
  test("has what can't be changed later, from the first commit on", async () => {
    const place = new Place(open);
    await (await place.open({ timezone: "Europe/Paris" })).close();
    expect(
      place
        .entries()
        .map(({ path }) => path)
        .sort(),
    ).toEqual(["store.db", "store.db.lock", "store.db.reserve"]);
    const header = readFileSync(fileOf(place));
    expect(header.readUInt16BE(16)).toBe(8192);
    expect(header.readInt32BE(60)).toBe(3);
    expect(header.toString("latin1", 68, 72)).toBe("ptnd");
    expect(sql(fileOf(place), "PRAGMA auto_vacuum")).toEqual([[2]]);
    expect(sql(fileOf(place), "PRAGMA journal_mode")).toEqual([["wal"]]);
    const [timezone, created] = sql(fileOf(place), "SELECT value FROM store ORDER BY key DESC").flat();
    expect(timezone).toBe("Europe/Paris");
    expect(Date.now() - Date.parse(String(created))).toBeLessThan(60_000);
  });

  test("takes .db only where there is no extension, and folders on the way are made", async () => {
    const place = new Place(open);
    await place.open({ path: join(place.folder, "a.b", "c") });
    await place.open({ path: join(place.folder, "d.sqlite") });
    expect(existsSync(join(place.folder, "a.b", "c.db"))).toBe(true);
    expect(existsSync(join(place.folder, "d.sqlite"))).toBe(true);
    expect(statSync(join(place.folder, "a.b")).mode & 0o777).toBe(0o700);
  });

  test("may be empty, or left half built, or have a log of a database that is gone", async () => {
    const place = new Place(open);
    await (await place.open()).write([note("gone")]);
    const log = readFileSync(`${fileOf(place)}-wal`);
    await place.remove();
    mkdirSync(place.folder);
    writeFileSync(fileOf(place), "");
    writeFileSync(`${fileOf(place)}.new`, "half");
    writeFileSync(`${fileOf(place)}-wal`, log);
    const backend = await place.open();
    expect(await walk(backend)).toEqual([]);
    expect(readdirSync(place.folder).sort()).toEqual([
      "store.db",
      "store.db-shm",
      "store.db-wal",
      "store.db.lock",
      "store.db.reserve",
    ]);
  });

  test("is one store, whatever link leads to it", async () => {
    const place = new Place(open);
    await place.open();
    symlinkSync(fileOf(place), join(place.folder, "link.db"));
    const second = place.open({ path: join(place.folder, "link") });
    await expect(second).rejects.toMatchObject({ code: "store_locked" });
  });

  test("keeps its log when another program closes the file beside a writer and a reader of one process", async () => {
    const place = new Place(open);
    const writer = await place.open();
    await writer.write([note("a")]);
    // A descriptor closed on the way would drop the writer's locks, and the shell take itself for the last one.
    await place.open({ readOnly: true });
    const before = statSync(`${fileOf(place)}-wal`).ino;
    expect(execFileSync("sqlite3", [fileOf(place), "SELECT count(*) FROM patterns"]).toString()).toBe("1\n");
    expect(statSync(`${fileOf(place)}-wal`).ino).toBe(before);
    await writer.write([note("b")]);
    expect(execFileSync("sqlite3", [fileOf(place), "SELECT count(*) FROM patterns"]).toString()).toBe("2\n");
  });

  test("is read after a crash, also by a reader", async () => {
    const place = new Place(open);
    const crash = new Place(open);
    await (await place.open()).write([note("a")]);
    for (const suffix of ["", "-wal"]) {
      writeFileSync(fileOf(crash) + suffix, readFileSync(fileOf(place) + suffix));
    }
    expect(await walk(await crash.open({ readOnly: true }))).toEqual([lineOf(note("a"))]);
    expect(await walk(await crash.open())).toEqual([lineOf(note("a"))]);
  });
});

describe("sqlite: what is not ours is refused untouched", () => {
  const refused = async (content: string | Uint8Array, expected: object, suffix = "") => {
    const place = new Place(open);
    writeFileSync(fileOf(place), content);
    if (suffix) writeFileSync(fileOf(place) + suffix, "");
    const names = readdirSync(place.folder);
    for (const readOnly of [false, true]) {
      await expect(place.open({ readOnly })).rejects.toMatchObject(expected);
    }
    expect(readFileSync(fileOf(place)).equals(Buffer.from(content))).toBe(true);
    return { place, left: readdirSync(place.folder).filter((name) => !names.includes(name)) };
  };
  const database = (...statements: string[]) => {
    const place = new Place(open);
    sql(join(place.folder, "other.db"), ...statements);
    return readFileSync(join(place.folder, "other.db"));
  };

  test.each([["text"], ["x".repeat(5000)], ["SQLite format 3\0"]])(
    "a file that is no database: %j",
    async (content) => {
      expect((await refused(content, { code: "store_foreign" })).left).toEqual([]);
      await refused(content, { code: "store_foreign" }, "-wal");
    },
  );
  test.each([
    ["the Python library's", ["CREATE TABLE patterns (pattern_id TEXT)"]],
    ["another application's", ["PRAGMA application_id = 7", "CREATE TABLE t (a)"]],
    ["one in WAL mode", ["PRAGMA journal_mode = WAL", "CREATE TABLE t (a)"]],
    ["ours, of no format", [`PRAGMA application_id = ${APPLICATION_ID}`, "CREATE TABLE t (a)"]],
  ])("a database: %s", async (_, statements) => {
    const { place, left } = await refused(database(...statements), {
      code: "store_foreign",
      hint: expect.stringContaining("patternd import "),
    });
    expect(left).toEqual([]);
    await expect(place.open()).rejects.toMatchObject({
      hint: expect.stringContaining(`import ${fileOf(place)}`),
    });
  });
  test("a path with blanks is one word in the command", async () => {
    const place = new Place(open);
    const path = join(place.folder, "it's mine.db");
    writeFileSync(path, database("CREATE TABLE t (a)"));
    const hint = expect.stringContaining(`import '${join(place.folder, "it'\\''s mine.db")}'`);
    await expect(place.open({ path })).rejects.toMatchObject({ code: "store_foreign", hint });
  });
  test("a folder", async () => {
    const place = new Place(open);
    mkdirSync(fileOf(place));
    await expect(place.open()).rejects.toMatchObject({ code: "store_foreign" });
  });
  test("a newer store, naming both formats", async () => {
    const bytes = database(
      `PRAGMA application_id = ${APPLICATION_ID}`,
      "PRAGMA user_version = 9",
      "CREATE TABLE t (a)",
    );
    const { left } = await refused(bytes, {
      code: "store_newer",
      message: expect.stringMatching(/has format 9; .* up to 3$/),
    });
    expect(left).toEqual([]);
  });
  test("a damaged store fails, and is not replaced", async () => {
    const place = new Place(open);
    await (await place.open()).close();
    const bytes = readFileSync(fileOf(place)).fill(0xff, 100);
    writeFileSync(fileOf(place), bytes);
    await expect(place.open()).rejects.toMatchObject({ code: "store_failed" });
    // The lock was given back.
    await expect(place.open()).rejects.toMatchObject({ code: "store_failed" });
  });
});
