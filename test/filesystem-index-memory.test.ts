/** What the indexes beside the segments keep in memory. */
import { expect, test } from "vitest";
import { hashId } from "../src/pattern/id-hash.ts";
import { Zone } from "../src/pattern/zone.ts";
import type { OpenOptions } from "../src/store/backend.ts";
import { Cutoffs } from "../src/store/cutoffs.ts";
import { openFilesystem } from "../src/store/filesystem/backend.ts";
import { BloomFilter } from "../src/store/filesystem/bloom.ts";
import { IdIndex } from "../src/store/filesystem/ids.ts";
import { KnownPatterns } from "../src/store/filesystem/known.ts";
import { listDays } from "../src/store/filesystem/layout.ts";
import { Segments } from "../src/store/filesystem/segments.ts";
import { Upkeep } from "../src/store/filesystem/upkeep.ts";
import { AT, instantOf, LATER, note } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";

const open = (options: OpenOptions) => openFilesystem(options);
test("a filter passes every key that it has, and few others", () => {
  const count = 100_000;
  const keys = (from: number) => Array.from({ length: count }, (_, n) => hashId(`key ${from + n}`));
  for (const [bits, most] of [
    [16, 150],
    [20, 50],
    [32, 10],
  ] as const) {
    // Of no whole number of blocks.
    const filter = new BloomFilter(count + 0.5, bits);
    for (const key of keys(0)) filter.add(key);
    expect(keys(0).every((key) => filter.has(key))).toBe(true);
    expect(keys(count).filter((key) => filter.has(key)).length).toBeLessThan(most);
  }
});

/** What the filters take for ids that are yet to come. */
const ROOM = 1024 * 1024 * 2.5;

test("the filters take four and a half bytes of memory a pattern, and have room for new ones", async () => {
  const place = new Place(open);
  const backend = await place.open();
  const count = 300_000;
  for (let day = 1; day <= 30; day += 1) {
    const at = `2026-05-${String(day).padStart(2, "0")}`;
    await backend.write(Array.from({ length: count / 30 }, (_, n) => note(`${day}-${n}`, { at })));
  }
  await backend.close();
  const segments = new Segments(place.path, "os");
  const ids = new IdIndex(segments, new Zone("UTC"));
  ids.load(listDays(place.path).flatMap((day) => segments.on(day)));
  expect((ids.bytes - ROOM) / count).toBeLessThan(4.75);
  for (const id of ["1-0", "17-99", "30-9999"]) expect([...ids.find(hashId(id))]).not.toEqual([]);
  let unknown = 0;
  for (let n = 0; n < 10_000; n += 1) if (ids.find(hashId(`unknown ${n}`)).next().done) unknown += 1;
  expect(unknown).toBe(10_000);
  segments.closeAll();
}, 60_000);

test("what is deleted takes no memory any more", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([note("old"), ...Array.from({ length: 100 }, (_, n) => note(`n${n}`, { at: LATER }))]);
  await backend.close();
  const zone = new Zone("UTC");
  const segments = new Segments(place.path, "os");
  const ids = new IdIndex(segments, zone);
  const [kept, old] = listDays(place.path).flatMap((day) => segments.on(day));
  if (!kept || !old) throw new Error("expected two segments");
  ids.load([kept, old]);
  // As if they stood there: what is deleted whole is not read.
  const instant = instantOf(AT);
  for (let n = 0, end = old.size; n < 1_200_000; n += 1, end += 101) {
    const hash = { high: Math.imul(n, 0x9e3779b1), low: n };
    ids.add(old, [{ hash, instant, lineBytes: 100 }], end);
    if (n % 10_000 === 0) ids.flush(old);
  }
  expect(ids.bytes - ROOM).toBeGreaterThan(2_400_000);
  const known = new KnownPatterns(place.path, zone, segments, ids);
  const upkeep = new Upkeep(place.path, zone, segments, ids, known);
  const steps = upkeep.deleteOlderThan(new Cutoffs(instantOf(LATER)), () => {});
  while (!steps.next().done);
  expect(ids.bytes - ROOM).toBeLessThan(10_000);
  for (let n = 0; n < 100; n += 1) expect(known.find(`n${n}`)).toBeDefined();
  segments.closeAll();
}, 60_000);
