import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { bytesIn, PageCache } from "../src/store/sqlite/page-cache.ts";

const MIB = 2 ** 20;

function memory() {
  const db = new Database(":memory:");
  onTestFinished(() => void db.close());
  const cacheMib = () => -Number(db.pragma("cache_size", { simple: true })) / 1024;
  return { db, cacheMib };
}

test("the cache grows with the database, between its bounds, and stays what it was", () => {
  const { db, cacheMib } = memory();
  let bytes = 0;
  const cache = new PageCache(db, () => bytes);
  const sizes = [0, 640, 960, 1_300, 2_600, 13_000, 100].map((megabytes) => {
    bytes = megabytes * MIB;
    cache.fit();
    return [megabytes, cacheMib()];
  });
  expect(sizes).toEqual([
    [0, 32],
    [640, 32],
    [960, 40],
    [1_300, 48],
    [2_600, 104],
    [13_000, 128],
    [100, 128],
  ]);
});

test("it asks the database how large it is", () => {
  const { db } = memory();
  const bytes = bytesIn(db);
  db.exec("CREATE TABLE bytes (zeros)");
  const before = bytes();
  db.prepare("INSERT INTO bytes VALUES (zeroblob(?))").run(MIB);
  expect(bytes() - before).toBeGreaterThanOrEqual(MIB);
  expect(bytes() - before).toBeLessThan(1.1 * MIB);
});
