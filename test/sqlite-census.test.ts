/** What a share of a database takes is told without counting all of its rows. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Backend } from "../src/store/backend.ts";
import { openStore } from "../src/store/open.ts";
import { AT, instantOf, LATER, note } from "./conformance/patterns.ts";

const LIVE = 4_000;
const OLD = 200;
/** So that the young ones, of many days, are not all counted. */
const A_DAY = 200;
const DAY_MS = 86_400_000;
const keepTags = ["keep"];

/** Of so many, as old as time, each nth stays. */
async function thinned(store: Backend, count: number, nth: number): Promise<void> {
  const tags = (n: number) => (n % nth === 0 ? keepTags : []);
  const all = Array.from({ length: count }, (_, n) => n);
  await store.write(all.map((n) => note(`${count} ${n}`, { at: "2020-01-01", context: { tags: tags(n) } })));
  await store.deleteOlderThan(instantOf("2021-01-01"), { keepTags });
}

test.each<[string, (store: Backend) => Promise<void>]>([
  ["with nothing before them", async () => {}],
  ["after many of which one stayed", (store) => thinned(store, 20_000, 20_000)],
  ["after some of which half stayed", (store) => thinned(store, 1_000, 2)],
  [
    "after many of which few stayed",
    async (store) => {
      await thinned(store, 1_500, 3);
      await thinned(store, 12_000, 400);
    },
  ],
])("patterns %s: the share of a few, and of all", async (_, before) => {
  const folder = mkdtempSync(join(tmpdir(), "patternd-census-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "store.db");
  const store = await openStore("sqlite", { path, durability: "os", timezone: "UTC", readOnly: false });
  await before(store);
  const start = (n: number) =>
    n < OLD ? Date.parse("2026-04-01") : Date.parse(AT) + Math.floor(n / A_DAY) * DAY_MS;
  const at = (n: number) => new Date(start(n) + n).toISOString();
  await store.write(Array.from({ length: LIVE }, (_, n) => note(`live ${n}`, { at: at(n) })));
  const sum = (all: readonly { bytes: number }[]) => all.reduce((bytes, one) => bytes + one.bytes, 0);

  const everything = await store.countOlderThan(instantOf(LATER));
  expect(everything.isMost).toBe(true);
  const all = everything.shares.reduce((count, { patterns }) => count + patterns, 0);
  expect(Math.abs(sum(everything.shares) - everything.bytes) / everything.bytes).toBeLessThan(0.05);

  const few = await store.countOlderThan(instantOf("2026-04-02"), { keepTags });
  expect(few).toMatchObject({ isMost: false, shares: [{ patterns: OLD }] });
  const ofOne = sum(few.shares) / OLD / (sum(everything.shares) / all);
  expect(ofOne).toBeGreaterThan(0.7);
  expect(ofOne).toBeLessThan(1.4);

  // What is held is no share, and counts all the same.
  const held = await store.countOlderThan(instantOf(LATER), { keepTags });
  expect(sum(held.shares) / LIVE / (sum(everything.shares) / all)).toBeCloseTo(1, 2);
  await store.close();
});
