/** The SQLite backend and what stands in its tables; what it shares with the others is in test/conformance. */
import { execFileSync } from "node:child_process";
import Database from "better-sqlite3";
import * as fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { NotStorable, type OpenOptions } from "../src/store/backend.ts";
import { openSqlite } from "../src/store/sqlite/backend.ts";
import { loadDriver, pairFault } from "../src/store/sqlite/driver.ts";
import { configureWriter } from "../src/store/sqlite/file.ts";
import { EARLIER, LATER, lineOf, note, parse, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";

const open = (options: OpenOptions) => openSqlite(options);

/** A connection of somebody else's beside the store's. */
function beside<T>(place: Place, step: (db: Database.Database) => T): T {
  const db = new Database(`${place.path}.db`);
  try {
    return step(db);
  } finally {
    db.close();
  }
}

const rowsOf = (place: Place, sql: string) => beside(place, (db) => db.prepare(sql).raw().all());

describe("sqlite: what the shell shows", () => {
  test("the columns that people look for come first", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const line = `{"version":"2.1","pattern_id":"a","pattern_type":"note","timestamp":"2026-05-01 10:00","data":{"n": 1.0},"context":{"host":"h"}}`;
    await backend.write([parse(line), note("b", { at: EARLIER })]);
    const shown = execFileSync("sqlite3", [
      "-header",
      `${place.path}.db`,
      "SELECT * FROM patterns ORDER BY seq",
    ]);
    const [header, ...rows] = shown.toString().trimEnd().split("\n");
    expect(header).toMatch(/^pattern_id\|pattern_type\|timestamp\|data\|context\|version\|/);
    expect(rows[0]).toMatch(/^a\|note\|2026-05-01 10:00\|\{"n": ?1\.0\}\|\{"host":"h"\}\|2\.1\|/);
    expect(rows[1]).toMatch(/^b\|note\|2026-04-01T10:00:00Z\|\{\}\|\|1\.0\|/);
  });

  test("whatever JSON.parse takes for a pattern", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const odd = ["\0", "\ud800", "'", '"', "$.", "\u2028", "\uffff"];
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...odd));
    const number = fc.constantFrom("1e400", "-0", "1E5", "9223372036854775808", "0.1e-999");
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        text.map((t) => JSON.stringify(t)),
        number,
        fc.constantFrom("null", "true"),
        tie("list"),
        tie("object"),
      ),
      list: fc.array(tie("any")).map((parts) => `[ ${parts.join(" ,\r")}]`),
      object: fc
        .array(fc.tuple(text, tie("any")))
        .map((all) => `{${all.map(([k, v]) => `${JSON.stringify(k)}\t:${v}`)}}`),
    })).object;
    await fc.assert(
      fc.asyncProperty(fc.uuid(), value, text, async (id, data, version) => {
        const end = `"pattern_id":"${id}","pattern_type":"note","timestamp":"2026-05-01"}`;
        const line = `{"version":${JSON.stringify(version)},"data":${data},"d\\u0061ta":${data},${end}`;
        await backend.write([parse(line)]);
        expect(await backend.get(id)).toBe(line);
        const [row] = beside(place, (db) =>
          db.prepare("SELECT * FROM patterns WHERE pattern_id = ?").all(id),
        );
        expect(row).toMatchObject({
          line,
          context: null,
          data: expect.any(String),
          version: expect.any(String),
        });
      }),
      { numRuns: 200 },
    );
    // The shell is of another version than the driver.
    const all = "SELECT count(*) - count(data), count(version) > 0 FROM patterns";
    expect(execFileSync("sqlite3", [`${place.path}.db`, all]).toString()).toBe("0|1\n");
  });
});

describe("sqlite: tables", () => {
  test("the words of a replaced version leave no row", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const context = { tags: ["x", "y", "x"], agent: "\ud800" };
    await backend.write([
      note("a", { data: { agent: "\udc00", agent_type: "me" }, context }),
      note("b", { context }),
    ]);
    expect(rowsOf(place, "SELECT tag FROM pattern_tags ORDER BY 1")).toEqual([["x"], ["x"], ["y"], ["y"]]);
    expect(rowsOf(place, "SELECT agent FROM pattern_agents ORDER BY 1")).toEqual([
      ["me"],
      ["\ufffd"],
      ["\ufffd"],
    ]);
    const later = [note("a", { at: LATER, context: { tags: ["z"] } }), note("b", { at: LATER })];
    expect(await backend.write(later)).toEqual(["replaced", "replaced"]);
    expect(
      rowsOf(place, "SELECT t.tag, p.pattern_id FROM pattern_tags t JOIN patterns p USING (seq, instant)"),
    ).toEqual([["z", "a"]]);
    expect(rowsOf(place, "SELECT count(*) FROM pattern_tags")).toEqual([[1]]);
    expect(rowsOf(place, "SELECT count(*) FROM pattern_agents")).toEqual([[0]]);
    expect(rowsOf(place, "PRAGMA integrity_check")).toEqual([["ok"]]);
  });

  test("instants keep their nanoseconds", async () => {
    const place = new Place(open);
    await (await place.open()).write([note("a", { at: "2026-05-01T10:00:00.123456789Z" })]);
    expect(rowsOf(place, "SELECT typeof(instant), CAST(instant AS TEXT) FROM patterns")).toEqual([
      ["integer", "1777629600123456789"],
    ]);
  });
});

describe("sqlite: a batch that fails", () => {
  test.each([
    ["raises", "SELECT RAISE(ABORT, 'not this one')", "not this one"],
    ["ignores", "SELECT RAISE(IGNORE)", "a trigger ignored it"],
  ])("because a trigger %s leaves nothing and names the pattern's refusal", async (_, action, message) => {
    const place = new Place(open);
    await (await place.open()).close();
    beside(place, (db) =>
      db.exec(`CREATE TRIGGER no BEFORE INSERT ON patterns WHEN new.pattern_id = 'bad' BEGIN ${action}; END`),
    );
    const backend = await place.open();
    const failed = backend.write([note("good"), note("bad"), note("other")]);
    await expect(failed).rejects.toBeInstanceOf(NotStorable);
    await expect(failed).rejects.toThrow(message);
    expect(await walk(backend)).toEqual([]);
    expect(await backend.write([note("good"), note("other")])).toEqual(["stored", "stored"]);
  });

  test("because of the machinery leaves nothing, and may be written again", async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write([note("known")]);
    beside(place, (db) => db.exec("ALTER TABLE pattern_tags RENAME TO lost"));
    const batch = [note("known", { at: LATER }), note("new"), note("tagged", { context: { tags: ["x"] } })];
    await expect(backend.write(batch)).rejects.toMatchObject({
      code: "store_failed",
      cause: { code: "SQLITE_ERROR" },
    });
    expect(await walk(backend)).toEqual([lineOf(note("known"))]);
    beside(place, (db) => db.exec("ALTER TABLE lost RENAME TO pattern_tags"));
    expect(await backend.write(batch)).toEqual(["replaced", "stored", "stored"]);
  });

  test("durability is SQLite's FULL, or its NORMAL where the system's is enough", () => {
    const db = new Database(":memory:");
    const levels = (["fsync", "os"] as const).map((durability) => {
      configureWriter(db, durability);
      return db.pragma("synchronous", { simple: true });
    });
    expect(levels).toEqual([2, 1]);
    db.close();
  });
});

describe("sqlite: the driver", () => {
  afterEach(() => vi.doUnmock("better-sqlite3"));

  test.each([
    ["12.11.1", "20.20.2", "9", undefined],
    ["12.11.1", "24.18.0", "10", undefined],
    ["12.11.1", "24.19.0", "10", "it would abort the process"],
    ["12.11.1", "26.0.0", "11", "it would abort the process"],
    ["13.2.0", "20.20.2", "9", "it needs Node-API 10, this Node has 9"],
    ["13.2.0", "22.14.0", "10", undefined],
    ["13.2.0", "20.0.0", undefined, "it needs Node-API 10, this Node has none"],
  ])("%s in Node %s with Node-API %s", (version, node, napi, fault) => {
    const message =
      fault && expect.stringContaining(`better-sqlite3 ${version} does not work in Node ${node}: ${fault}`);
    expect(pairFault(version, { node, napi })?.message).toEqual(message);
  });

  test("without its native part SQLite is unavailable, and the hint says what to do", async () => {
    vi.doMock("better-sqlite3", () => ({
      default: class {
        constructor() {
          throw new Error("Could not locate the bindings file. Tried:\n → /a\n → /b");
        }
      },
    }));
    await expect(loadDriver()).rejects.toMatchObject({
      code: "sqlite_unavailable",
      message: "better-sqlite3 can't be loaded: Could not locate the bindings file",
      hint: expect.stringContaining("npm rebuild better-sqlite3"),
    });
  });
});
