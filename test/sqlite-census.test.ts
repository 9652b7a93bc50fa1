/** What a share of a database takes is told without counting all of its rows. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openStore } from "../src/store/open.ts";
import { AT, instantOf, LATER, note } from "./conformance/patterns.ts";

const PATTERNS = 4_000;
const OLD = 200;

test.each([
  ["none of which was ever replaced", 0],
  ["half of which were replaced three times", 3],
])("a small part of patterns %s", async (_, versions) => {
  const folder = mkdtempSync(join(tmpdir(), "patternd-census-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "store.db");
  const store = await openStore("sqlite", { path, durability: "os", timezone: "UTC", readOnly: false });
  const at = (n: number, version: number) =>
    new Date(Date.parse(n < OLD ? "2026-04-01T00:00:00Z" : AT) + n + version).toISOString();
  const all = Array.from({ length: PATTERNS }, (_, n) => n);
  await store.write(all.map((n) => note(`n${n}`, { at: at(n, 0) })));
  for (let version = 1; version <= versions; version += 1) {
    const half = all.filter((n) => n % 2 === 0);
    await store.write(half.map((n) => note(`n${n}`, { at: at(n, version * PATTERNS) })));
  }
  const everything = await store.countOlderThan(instantOf(LATER));
  expect(everything.isMost).toBe(true);
  const bytes = everything.shares.reduce((sum, share) => sum + share.bytes, 0);
  const { shares, isMost } = await store.countOlderThan(instantOf("2026-04-02"));
  expect(isMost).toBe(false);
  const exact = (bytes * OLD) / PATTERNS;
  expect(shares).toMatchObject([{ patterns: OLD }]);
  expect(shares[0]?.bytes).toBeGreaterThan(exact * 0.8);
  expect(shares[0]?.bytes).toBeLessThan(exact * 1.25);
  await store.close();
});
