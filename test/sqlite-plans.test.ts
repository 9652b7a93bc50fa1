/** SQLite's plans and the choice of what to read first (keys.ts, reader.ts). */
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import type { OpenOptions, Position } from "../src/store/backend.ts";
import type { Filter } from "../src/store/filter.ts";
import { openSqlite } from "../src/store/sqlite/backend.ts";
import { IS_ROW, ROWS_OF_HASH } from "../src/store/sqlite/ids.ts";
import { type KeyQuery, keyQuery, probeQuery, sourcesOf } from "../src/store/sqlite/keys.ts";
import { sparsest } from "../src/store/sqlite/reader.ts";
import { EARLIER, idsOf, instantOf, LATER, note } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";

const open = (options: OpenOptions) => openSqlite(options);
const at = instantOf(LATER);
const TIES = "USE TEMP B-TREE FOR LAST TERM OF ORDER BY";

/** A connection of somebody else's beside the store's. */
function beside<T>(place: Place, step: (db: Database.Database) => T): T {
  const db = new Database(`${place.path}.db`);
  try {
    return step(db);
  } finally {
    db.close();
  }
}

function planOf(db: Database.Database, { sql, parameters }: KeyQuery): string[] {
  const steps = db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters);
  return steps.map(({ detail }) => detail);
}

describe("sqlite: plans", () => {
  const filters: [string, Filter][] = [
    ["nothing", {}],
    ["time", { start: 0n, end: at }],
    ["type", { patternType: "note" }],
    ["a type that nobody has", { patternType: "nobody" }],
    ["type and day", { patternType: "note", start: at, end: at + 86_400_000_000_000n }],
    ["project and type", { project: "p", patternType: "note" }],
    ["session and project", { session: "s", project: "p" }],
    ["host", { host: "h" }],
    ["a tag", { tags: ["a"] }],
    ["a tag and dates", { tags: ["a"], start: 0n, end: at }],
    ["tags and a project", { tags: ["a", "b"], project: "p" }],
    ["agent and type", { agent: "a", patternType: "note" }],
    ["tag and agent", { tags: ["a"], agent: "a" }],
    [
      "everything",
      { tags: ["a", "b"], agent: "a", session: "s", project: "p", host: "h", patternType: "note" },
    ],
  ];
  test.each(filters)("by %s, whatever is read first: no scan, and no sort but of ties", async (_, filter) => {
    const place = new Place(open);
    const backend = await place.open();
    const context = { tags: ["a", "b"], agent: "a", project_name: "p", session_id: "s", host: "h" };
    await backend.write(Array.from({ length: 400 }, (_, n) => note(`n${n}`, { context })));
    await backend.close();
    beside(place, (db) => {
      for (const analyzed of [false, true]) {
        if (analyzed) db.exec("ANALYZE");
        for (const after of [undefined, { instant: at, id: "x" }]) checkPlans(db, filter, after);
      }
    });
  });

  function checkPlans(db: Database.Database, filter: Filter, after: Position | undefined): void {
    const sources = sourcesOf(filter);
    for (const leading of sources) {
      const { table, index, column } = leading;
      const [first = "", ...rest] = planOf(db, keyQuery(filter, after, 10, leading));
      expect(first).toContain(index ? `SEARCH p USING INDEX ${index} (` : "SEARCH k USING PRIMARY KEY (");
      // Where it begins is found, not walked to: a deep page costs what the first one does.
      expect(first).toContain(`(${column}=? AND instant>? AND instant<?)`);
      expect(rest.filter((step) => !step.startsWith("SEARCH"))).toEqual([TIES]);
      const probe = planOf(db, probeQuery(leading, filter, after));
      const place = index ? `COVERING INDEX ${index}` : "PRIMARY KEY";
      expect(probe).toEqual([`SEARCH ${table} USING ${place} (${column}=? AND instant>? AND instant<?)`]);
    }
    if (sources.length === 0) {
      expect(planOf(db, keyQuery(filter, after, 10))).toEqual([
        "SEARCH p USING COVERING INDEX patterns_by_instant (instant>? AND instant<?)",
      ]);
    }
  }

  test.each([0, 1, 2, 40])(
    "an id is found without a scan when statistics say that there are %i",
    async (rows) => {
      const place = new Place(open);
      const backend = await place.open();
      await backend.write(Array.from({ length: rows }, (_, n) => note(`n${n}`)));
      await backend.close();
      beside(place, (db) => {
        db.exec("INSERT INTO ids_settled SELECT hash, seq FROM ids_recent; ANALYZE");
        for (const sql of [`SELECT line FROM patterns WHERE ${IS_ROW}`, ROWS_OF_HASH]) {
          const steps = planOf(db, { sql, parameters: [1, "a"] });
          expect(steps.filter((step) => step.includes("SCAN"))).toEqual([]);
          expect(steps.filter((step) => step.includes("SEARCH")).length).toBeGreaterThan(0);
        }
      });
    },
  );

  test("a small store has no statistics, which would stay while it grows", async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write([note("a")]);
    await backend.compress(0);
    await backend.close();
    const tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    expect(beside(place, (db) => db.prepare(tables).pluck().get())).toBe(0);
  });

  test("the oldest are found for a deletion without a scan or a sort", async () => {
    const place = new Place(open);
    await (await place.open()).close();
    const sql = "SELECT seq FROM patterns WHERE instant < ? ORDER BY instant LIMIT ?";
    expect(beside(place, (db) => planOf(db, { sql, parameters: [at, 10] }))).toEqual([
      expect.stringContaining("INDEX patterns_by_instant (instant<?)"),
    ]);
  });
});

describe("sqlite: what is read first", () => {
  /** 2,000 patterns of everybody's, 300 with the tag "some" among the newer, ten of "few"; all by the agent "a". */
  async function filled(): Promise<Place> {
    const place = new Place(open);
    const backend = await place.open();
    const timestamp = (n: number) => new Date(Date.UTC(2026, 4, 1) + n * 1000).toISOString();
    const tagsOf = (n: number) => ["all", ...(n >= 1700 ? ["some"] : []), ...(n % 200 === 0 ? ["few"] : [])];
    const typeOf = (n: number) => (n % 4 === 0 ? "error_occurrence" : "note");
    await backend.write(
      Array.from({ length: 2000 }, (_, n) =>
        note(`n${n}`, {
          at: timestamp(n),
          context: { tags: tagsOf(n), agent: "a" },
          ...(n % 4 === 0 && { data: { error_type: "E", error_message: "m" } }),
          type: typeOf(n),
        }),
      ),
    );
    await backend.close();
    return place;
  }
  const choice = (place: Place, filter: Filter, after?: Position) =>
    beside(place, (db) => sparsest(db, filter, after)?.value);

  test("of a filter's words, the one with the fewest patterns on the way to a full page", async () => {
    const place = await filled();
    expect(choice(place, {})).toBe(undefined);
    expect(choice(place, { agent: "a" })).toBe("a");
    expect(choice(place, { agent: "a", patternType: "nobody" })).toBe("nobody");
    expect(choice(place, { tags: ["all"], agent: "nobody" })).toBe("nobody");
    expect(choice(place, { tags: ["all", "few"], agent: "a" })).toBe("few");
    // A quarter of all patterns.
    expect(choice(place, { tags: ["all"], agent: "a", patternType: "error_occurrence" })).toBe(
      "error_occurrence",
    );
    // In the newest 300 it is on every pattern; before them it is on none.
    expect(choice(place, { tags: ["some"], patternType: "error_occurrence" })).toBe("error_occurrence");
    const before = { instant: instantOf("2026-05-01T00:20:00Z"), id: "" };
    expect(choice(place, { tags: ["some"], patternType: "error_occurrence" }, before)).toBe("some");
    expect(choice(place, { tags: ["some"], patternType: "error_occurrence", end: before.instant })).toBe(
      "some",
    );
  });

  test("the answers are the same, whichever it is", async () => {
    const place = await filled();
    const backend = await place.open({ readOnly: true });
    const filter = { tags: ["all", "few"], agent: "a", patternType: "error_occurrence" };
    const expected = Array.from({ length: 10 }, (_, n) => `n${1800 - n * 200}`);
    expect(await idsOf(backend, filter, 3)).toEqual(expected);
    beside(place, (db) => {
      for (const leading of sourcesOf(filter)) {
        const { sql, parameters } = keyQuery(filter, undefined, -1, leading);
        const ids = db
          .prepare<unknown[], { id: string }>(sql)
          .all(...parameters)
          .map(({ id }) => id);
        expect(ids).toEqual(expected);
      }
    });
  });

  test("a walk through equal instants neither skips nor repeats", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const ids = Array.from({ length: 50 }, (_, n) => `n${n}`);
    await backend.write(ids.map((id) => note(id, { at: EARLIER })));
    expect(await idsOf(backend, {}, 7)).toEqual(ids.toSorted());
  });
});
