/** What deletion and compression leave on disk; the answers are in test/conformance. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { OpenOptions } from "../src/store/backend.ts";
import { openFilesystem } from "../src/store/filesystem/backend.ts";
import { AT, instantOf, LATER, lineOf, note, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";

const open = (options: OpenOptions) => openFilesystem(options);
const ALL_DAYS = 100_000;
const LAST_DAY = 100_000;
const DAY = "2026/05/01";

test("a compressed day is gzip for everyone, smaller, without what was replaced and without marks", async () => {
  const place = new Place(open);
  const backend = await place.open();
  const patterns = Array.from({ length: 3000 }, (_, n) =>
    note(`n${n}`, { data: { text: "한국어 ".repeat(30), n } }),
  );
  await backend.write([note("n7", { at: "2026-05-01" }), ...patterns]);
  const file = join(place.path, DAY, "note.ndjson");
  const before = statSync(file).size;
  expect(await backend.compress(LAST_DAY)).toBe(1);
  expect(place.dayFiles()).toEqual(["2026", "2026/05", DAY, `${DAY}/note.ndjson.gz`]);
  execFileSync("gzip", ["--test", `${file}.gz`]);
  expect(execFileSync("zcat", [`${file}.gz`], { encoding: "utf8", maxBuffer: 2 ** 28 })).toBe(
    patterns.map((pattern) => `${lineOf(pattern)}\n`).join(""),
  );
  expect(statSync(`${file}.gz`).size * 10).toBeLessThan(before);
  expect(await backend.compress(LAST_DAY)).toBe(0);
});

test("only whole days before the given one are compressed", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([
    note("a", { at: "2026-05-01T23:59:59.999999999Z" }),
    note("b", { at: "2026-05-02" }),
    note("c", { at: "2026-05-03" }),
  ]);
  expect(await backend.compress(Date.parse("2026-05-03") / 86_400_000)).toBe(2);
  expect(place.dayFiles().filter((name) => name.includes("note"))).toEqual([
    `${DAY}/note.ndjson.gz`,
    "2026/05/02/note.ndjson.gz",
    "2026/05/03/note.ndjson",
  ]);
});

test("what arrives late stands beside, until the next compression merges it", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([note("a"), note("b")]);
  await backend.compress(LAST_DAY);
  await backend.write([note("late"), note("b", { data: { n: 2 } })]);
  const files = (name: string) => place.dayFiles().filter((path) => path.endsWith(name));
  expect([files("note.ndjson"), files("note.ndjson.gz"), files(".replaced")].flat()).toHaveLength(3);
  expect(await backend.compress(LAST_DAY)).toBe(1);
  expect(place.dayFiles()).toEqual(["2026", "2026/05", DAY, `${DAY}/note.ndjson.gz`]);
  expect(execFileSync("zcat", [join(place.path, DAY, "note.ndjson.gz")], { encoding: "utf8" })).toBe(
    [note("a"), note("late"), note("b", { data: { n: 2 } })].map((one) => `${lineOf(one)}\n`).join(""),
  );
});

test("of what is deleted no version is left on the disk", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([note("moved", { at: "2026-05-01T08:00:00Z", data: { was: "secret" } })]);
  await backend.write([note("moved", { at: LATER }), note("stays", { at: AT })]);
  expect(await backend.deleteOlderThan(instantOf("2026-05-01T09:00:00Z"))).toBe(0);
  expect(execFileSync("zcat", [join(place.path, DAY, "note.ndjson.gz")], { encoding: "utf8" })).toBe(
    `${lineOf(note("stays", { at: AT }))}\n`,
  );
});

/** What each step of a compression leaves when it is the last one: see src/store/filesystem/upkeep.ts. */
const file = join(DAY, "note.ndjson");
const merging = (path: string) => {
  const bytes = readFileSync(path);
  bytes.write("m", 32);
  writeFileSync(path, bytes);
};
const cuts: [string, (after: string, before: string, store: string) => void][] = [
  [
    "the new file is not in its place",
    (after, before, store) => {
      cpSync(before, store, { recursive: true });
      writeFileSync(join(store, `${file}.gz.new`), readFileSync(join(after, `${file}.gz`)).subarray(0, 90));
    },
  ],
  [
    "the new file is in its place",
    (after, before, store) => {
      cpSync(before, store, { recursive: true });
      cpSync(join(after, `${file}.gz`), join(store, `${file}.gz`));
      merging(join(store, `${file}.gz`));
    },
  ],
  [
    "marks are dropped",
    (after, before, store) => {
      cpSync(after, store, { recursive: true });
      cpSync(join(before, file), join(store, file));
      merging(join(store, `${file}.gz`));
    },
  ],
  [
    "the merged file is removed",
    (after, _, store) => {
      cpSync(after, store, { recursive: true });
      merging(join(store, `${file}.gz`));
    },
  ],
];

test.each(cuts)("ended once %s, the store answers the same, and the next run finishes", async (_, cut) => {
  const place = new Place(open);
  const backend = await place.open();
  // An .ndjson.gz and an .ndjson, each with a replaced line and one that counts.
  await backend.write([note("a"), note("b", { at: "2026-05-01" })]);
  await backend.compress(LAST_DAY);
  await backend.write([note("c"), note("c", { data: { n: 2 } }), note("b", { at: "2026-05-01T01:00:00Z" })]);
  const expected = await walk(backend);
  await backend.close();
  const [before, after] = [join(place.folder, "before"), join(place.folder, "after")];
  cpSync(place.path, before, { recursive: true });
  const second = await place.open();
  await second.compress(LAST_DAY);
  await second.close();
  renameSync(place.path, after);
  cut(after, before, place.path);

  const reader = await place.open({ readOnly: true });
  expect(await walk(reader)).toEqual(expected);
  const again = await place.open();
  for (const store of [reader, again]) expect(await walk(store)).toEqual(expected);
  expect(existsSync(join(place.path, `${file}.gz.new`))).toBe(false);
  expect(await again.write([note("a"), note("c"), note("d")])).toEqual(["superseded", "replaced", "stored"]);
  await again.compress(LAST_DAY);
  for (const store of [reader, again]) {
    expect((await walk(store)).slice(0, 2)).toEqual([lineOf(note("a")), lineOf(note("c"))]);
    expect(await walk(store)).toHaveLength(4);
  }
});

test("a damaged or foreign file is said to be one", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([note("a")]);
  await backend.compress(LAST_DAY);
  const path = join(place.path, `${file}.gz`);
  const whole = readFileSync(path);
  for (const bytes of [whole.subarray(0, 30), whole.subarray(0, -3), Buffer.from("x".repeat(99))]) {
    writeFileSync(path, bytes);
    await expect(walk(await place.open({ readOnly: true }))).rejects.toMatchObject({ code: "store_failed" });
  }
});

test("no step of a deletion brings an older version back", async () => {
  const place = new Place(open);
  const backend = await place.open();
  const data = { task_type: "t", agent: "a", duration_ms: 1, success: true };
  const older = note("moved", { at: "2026-05-01T08:00:00Z", type: "task_completion", data });
  await backend.write([
    older,
    note("moved", { at: "2026-05-01T09:00:00Z" }),
    note("stays", { at: "2026-05-01T11:00:00Z", type: "task_completion", data }),
  ]);
  const reader = await place.open({ readOnly: true });
  let deleted: number | undefined;
  const deletion = backend.deleteOlderThan(instantOf(AT)).then((count) => {
    deleted = count;
  });
  for (; deleted === undefined; await new Promise(setImmediate)) {
    expect(await walk(reader)).not.toContain(lineOf(older));
  }
  await deletion;
  expect(deleted).toBe(1);
});

test("after a rewriting, marks wait for what comes after it", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([note("gone", { at: "2026-05-01" }), note("a")]);
  await backend.compress(LAST_DAY);
  expect(await backend.deleteOlderThan(instantOf("2026-05-01T01:00:00Z"))).toBe(1);
  await backend.write([note("a", { data: { n: 2 } })]);
  const [mark = ""] = readFileSync(join(place.path, DAY, ".replaced"), "utf8").split("\n");
  const { gz, by } = JSON.parse(mark);
  expect(by.gz).toBe(gz);
});

test("what a closing cut short leaves alone what another one does in the same store", async () => {
  const place = new Place(open);
  const first = await place.open();
  await first.write(
    Array.from({ length: 500 }, (_, n) => note(`n${n}`, { data: { text: "x".repeat(2000) } })),
  );
  const ended = expect(first.compress(ALL_DAYS)).rejects.toMatchObject({ code: "store_closed" });
  const unpublished = join(place.path, "2026/05/01/note.ndjson.gz.new");
  while (!existsSync(unpublished)) await Promise.resolve();
  await first.close();
  const second = await place.open();
  expect(await second.compress(ALL_DAYS)).toBe(1);
  await ended;
});

test("a segment that is a link to nowhere is said to be one", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([note("a")]);
  const file = join(place.path, "2026/05/01/note.ndjson");
  renameSync(file, `${file}.elsewhere`);
  symlinkSync(join(place.folder, "nowhere"), file);
  const reader = await place.open({ readOnly: true });
  await expect(walk(reader)).rejects.toMatchObject({ code: "store_failed" });
});
