/** The two tables that lead from an id to its row, with room for few, so that entries go from one to the other all the time. */
import Database from "better-sqlite3";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cutoffs } from "../src/store/cutoffs.ts";
import { openSqlite } from "../src/store/sqlite/backend.ts";
import { sqliteChecker } from "../src/store/sqlite/check/check.ts";
import { createStore } from "../src/store/sqlite/file.ts";
import { IdIndex } from "../src/store/sqlite/ids.ts";
import { PatternReader } from "../src/store/sqlite/reader.ts";
import { MIGRATIONS } from "../src/store/sqlite/schema.ts";
import { PatternWriter } from "../src/store/sqlite/writer.ts";
import { findingsOf } from "./check-world.ts";
import { batches, instantOf, lineOf, Model, note, parse } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";
import { newSeed } from "./process/patterns.ts";

/** A new store's file. */
function newFile(): string {
  const file = `${new Place(openSqlite).path}.db`;
  createStore(Database, file, "UTC", MIGRATIONS);
  return file;
}

/** How many entries lead to no row, of how many numbers of rows. */
function leftIn(db: Database.Database): { dead: number; span: number } {
  const count = (sql: string) => Number(db.prepare(sql).pluck().get());
  return {
    dead: count(
      "SELECT count(*) FROM (SELECT seq FROM ids_recent UNION SELECT seq FROM ids_settled) WHERE seq NOT IN (SELECT seq FROM patterns)",
    ),
    span: count("SELECT max(seq) - min(seq) FROM patterns"),
  };
}

function ended<T>(steps: Generator<void, T>): T {
  let last = steps.next();
  while (!last.done) last = steps.next();
  return last.value;
}

const LIMITS = { mostRecent: 5, run: 3 };

const entry = fc.record({
  hash: fc.integer({ min: -4, max: 4 }).map((one) => one * 2 ** 50),
  seq: fc.integer({ min: 1, max: 4 }),
});
const step = fc.oneof(
  { weight: 4, arbitrary: entry.map((one) => ({ does: "add" as const, ...one })) },
  { weight: 2, arbitrary: entry.map((one) => ({ does: "remove" as const, ...one })) },
  { weight: 2, arbitrary: fc.constant({ does: "settle" as const }) },
  fc.constant({ does: "reopen" as const }),
);

const LIVE = "SELECT hash, seq FROM ids_recent UNION SELECT hash, seq FROM ids_settled";

describe("sqlite: the index of ids", () => {
  test("has what was added and not removed, wherever that stands", () => {
    const file = newFile();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const db = new Database(file);
        db.exec("DELETE FROM ids_recent; DELETE FROM ids_settled");
        const live = db.prepare<[], { hash: number; seq: number }>(LIVE);
        const recent = db.prepare<[], number>("SELECT count(*) FROM ids_recent").pluck();
        const model = new Map<string, { hash: number; seq: number }>();
        let ids = new IdIndex(db, LIMITS);
        for (const one of steps) {
          if (one.does === "reopen") ids = new IdIndex(db, LIMITS);
          else if (one.does === "settle") {
            ids.settle();
            expect(recent.get()).toBeLessThan(LIMITS.mostRecent + LIMITS.run);
          } else {
            const { hash, seq } = one;
            if (one.does === "add") ids.add([hash], seq);
            else ids.remove(hash, seq);
            if (one.does === "add") model.set(`${hash} ${seq}`, { hash, seq });
            else model.delete(`${hash} ${seq}`);
          }
        }
        const sorted = (all: Iterable<{ hash: number; seq: number }>) =>
          [...all].sort((a, b) => a.hash - b.hash || a.seq - b.seq);
        expect(sorted(live.all())).toEqual(sorted(model.values()));
        db.close();
      }),
      { seed: newSeed("index of ids"), numRuns: 200 },
    );
  });

  test("a store answers as ever while entries go on", async () => {
    const history = fc.array(fc.oneof({ weight: 4, arbitrary: batches }, fc.constant("delete" as const)), {
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const file = newFile();
        const db = new Database(file);
        const [writer, reader] = [new PatternWriter(db, undefined, LIMITS), new PatternReader(db)];
        const model = new Model();
        for (const one of steps) {
          if (one === "delete") {
            const cutoff = instantOf("2026-05-01T12:00:00Z");
            const deleted = ended(writer.deleteOlderThan(new Cutoffs(cutoff), () => {}));
            expect(deleted).toBe(model.deleteOlderThan(cutoff));
          } else for (const batch of one) expect(writer.write(batch)).toEqual(model.write(batch));
          for (const line of model.lines({})) expect(reader.get(parse(line).id)).toBe(line);
        }
        const { dead, span } = leftIn(db);
        // Few enough that a sweep is not worth it.
        expect(dead * 20).toBeLessThan(Math.max(span, 1));
        db.close();
        expect(await findingsOf(await sqliteChecker(file))).toEqual([]);
      }),
      { seed: newSeed("a store with a small index of ids"), numRuns: 50 },
    );
  });

  test("ids that share a hash are kept apart", () => {
    const db = new Database(newFile());
    const writer = new PatternWriter(db, undefined, LIMITS);
    const same = Array.from({ length: 12 }, (_, n) => ({ ...note(`n${n}`), hash: { high: 3, low: 4 } }));
    expect(writer.write(same)).toEqual(same.map(() => "stored"));
    expect(writer.write(same)).toEqual(same.map(() => "superseded"));
    expect(db.prepare("SELECT line FROM patterns ORDER BY seq").pluck().all()).toEqual(same.map(lineOf));
    db.close();
  });

  test("an entry whose row is gone, or another's, leads nowhere", async () => {
    const file = newFile();
    const db = new Database(file);
    const writer = new PatternWriter(db, undefined, LIMITS);
    writer.write([note("a"), note("b")]);
    // As after a deletion that was ended before it had swept; the next row has the number of the last.
    db.exec("DELETE FROM patterns WHERE pattern_id = 'b'");
    expect(writer.write([note("c"), note("b"), note("a")])).toEqual(["stored", "stored", "superseded"]);
    const reader = new PatternReader(db);
    expect(["a", "b", "c"].map((id) => reader.get(id))).toEqual(
      ["a", "b", "c"].map((id) => lineOf(note(id))),
    );
    db.close();
    expect(await findingsOf(await sqliteChecker(file))).toEqual([]);
  });

  test("what deletions leave is swept out once it is a part worth it, though each is ended before", () => {
    const db = new Database(newFile());
    const many = Array.from({ length: 1_000 }, (_, n) =>
      note(`n${n}`, { at: new Date(Date.UTC(2026, 0, 1, 0, n)).toISOString() }),
    );
    new PatternWriter(db, undefined, LIMITS).write(many);
    const deleteUpTo = (n: number) =>
      new PatternWriter(db, undefined, LIMITS).deleteOlderThan(new Cutoffs(many[n]?.instant ?? 0n), () => {});
    // Thirty of a thousand are not worth it.
    expect(ended(deleteUpTo(30))).toBe(30);
    expect(leftIn(db).dead).toBe(30);
    // The next daemon ends in the middle of its deletion, before any sweep.
    const cut = deleteUpTo(130);
    while (leftIn(db).dead < 130) cut.next();
    cut.return(0);
    expect(ended(deleteUpTo(131))).toBe(1);
    expect(leftIn(db).dead).toBe(0);
    expect(ended(deleteUpTo(135))).toBe(4);
    expect(leftIn(db).dead).toBe(4);
    const reader = new PatternReader(db);
    expect(many.filter(({ id }) => reader.get(id) !== undefined)).toEqual(many.slice(135));
    db.close();
  });

  test("a forgotten pattern leaves no entry, nor does another row of its id", () => {
    const db = new Database(newFile());
    const writer = new PatternWriter(db, undefined, LIMITS);
    writer.write(Array.from({ length: 9 }, (_, n) => note(`n${n}`)));
    db.exec(`
INSERT INTO patterns (pattern_id, pattern_type, timestamp, instant, line)
SELECT pattern_id, pattern_type, timestamp, instant, line FROM patterns WHERE pattern_id = 'n3';
INSERT INTO ids_recent
SELECT hash, 10 FROM (SELECT * FROM ids_recent UNION ALL SELECT * FROM ids_settled) WHERE seq = 4`);
    expect(ended(writer.forget(["n3", "nobody"]))).toBe(1);
    const left =
      "SELECT seq FROM patterns UNION SELECT seq FROM ids_recent UNION SELECT seq FROM ids_settled";
    expect(db.prepare(left).pluck().all()).toEqual([1, 2, 3, 5, 6, 7, 8, 9]);
    db.close();
  });

  test("a batch that is rolled back leaves the next one right", () => {
    const db = new Database(newFile());
    const writer = new PatternWriter(db, undefined, LIMITS);
    db.exec(`
CREATE TRIGGER no_more BEFORE INSERT ON patterns WHEN new.pattern_id = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END`);
    const good = Array.from({ length: 20 }, (_, n) => note(`n${n}`));
    const reader = new PatternReader(db);
    for (const one of good) {
      expect(() => writer.write([one, note("other"), note("bad")])).toThrow("no");
      expect(writer.write([one])).toEqual(["stored"]);
      expect(reader.get("other")).toBeUndefined();
    }
    expect(writer.write(good)).toEqual(good.map(() => "superseded"));
    db.close();
  });
});
