/** Checks of stores of segments: whole ones, those with many faults, and what no repair can do. */
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Backend, OpenOptions } from "../src/store/backend.ts";
import { openFilesystem } from "../src/store/filesystem/backend.ts";
import { filesystemChecker } from "../src/store/filesystem/check/check.ts";
import { hashOfForgotten } from "../src/store/forgotten.ts";
import { DAY, edit, flip, found, kindsOf, NOTES, repaired } from "./check-world.ts";
import { batches, instantOf, LATER, lineOf, Model, note, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";
import { newSeed } from "./process/patterns.ts";

const ALL_DAYS = 100_000;
const open = (options: OpenOptions) => openFilesystem(options);
const plain = [note("a"), note("b", { context: { tags: ["x"] } }), note("c", { at: LATER })];
const newer = note("b", { data: { n: 2 } });
const elsewhere = note("late", { at: LATER });

test("what is not patternd's is said, and left alone", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write(plain);
  await backend.close();
  writeFileSync(join(place.path, DAY, "a person's"), "x", { mode: 0o644 });
  mkdirSync(join(place.path, "2026/02/31"), { recursive: true, mode: 0o700 });
  chmodSync(join(place.path, "2026/02"), 0o700);
  symlinkSync(join(place.path, NOTES), join(place.path, DAY, "z"));
  const said = [
    ["not_ours", "2026/02/31"],
    ["not_ours", `${DAY}/a person's`],
    ["link", `${DAY}/z`],
  ];
  const named = async () =>
    (await found(place)).map(({ kind, file }) => [kind, file.slice(place.path.length + 1)]);
  expect(await named()).toEqual(said);
  expect(await repaired(place)).toEqual([]);
  expect(await named()).toEqual(said);
});

test("what can't be read as a file is said, and the rest is repaired", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write(plain);
  await backend.close();
  mkdirSync(join(place.path, DAY, "task_completion.ndjson"), { mode: 0o700 });
  appendFileSync(join(place.path, "2026/06/01/note.ndjson"), "junk\n");
  expect(kindsOf(await found(place))).toEqual(["line_damaged", "obstacle"]);
  expect(kindsOf((await repaired(place)).map(({ finding }) => finding))).toEqual(["line_damaged"]);
  expect(kindsOf(await found(place))).toContain("obstacle");
  rmSync(join(place.path, DAY, "task_completion.ndjson"), { recursive: true });
  await repaired(place);
  expect(await found(place)).toEqual([]);
  expect(await walk(await place.open({ readOnly: true }))).toHaveLength(3);
});

test("without its metadata a store can't be checked, and is left as it is", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write(plain);
  await backend.close();
  const path = join(place.path, "store.json");
  const whole = readFileSync(path);
  for (const spoil of [() => rmSync(path), () => writeFileSync(path, "{}"), () => writeFileSync(path, "{")]) {
    spoil();
    expect(kindsOf(await found(place))).toEqual(["metadata_damaged"]);
    expect(await repaired(place)).toEqual([]);
  }
  writeFileSync(path, whole);
  chmodSync(path, 0o600);
  expect(await found(place)).toEqual([]);
  expect(() => filesystemChecker(join(place.folder, "nothing"))).toThrow("there is no store");
});

test("a repair needs the store for itself", async () => {
  const place = new Place(open);
  await place.open();
  await expect(repaired(place)).rejects.toMatchObject({ code: "store_locked" });
});

test("a whole store has no finding, whatever happened to it, and while it is written", async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: batches },
    fc.constantFrom("compress" as const, "delete" as const, "reopen" as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (history) => {
      const place = new Place(open);
      const model = new Model();
      let backend: Backend = await place.open();
      for (const taken of history) {
        if (taken === "compress") await backend.compress(ALL_DAYS);
        else if (taken === "delete") {
          const cutoff = instantOf("2026-05-01T12:00:00Z");
          expect(await backend.deleteOlderThan(cutoff)).toBe(model.deleteOlderThan(cutoff));
        } else if (taken === "reopen") {
          await backend.close();
          backend = await place.open();
        } else for (const batch of taken) expect(await backend.write(batch)).toEqual(model.write(batch));
        const tally = { patterns: 0, bytes: 0 };
        expect(await found(place, tally)).toEqual([]);
        expect(tally.patterns).toBe(model.lines({}).length);
      }
      await backend.close();
      expect(await found(place)).toEqual([]);
      await place.remove();
    }),
    { seed: newSeed("check after histories"), numRuns: 60 },
  );
});

/** Everything at once. */
function ruin(store: string): void {
  edit(
    store,
    `2026/06/01/note.ndjson.gz`,
    flip(() => 17),
  );
  edit(store, NOTES, (bytes) => `${lineOf(elsewhere)}\nno pattern\n${bytes}${lineOf(note("a"))}\ntorn`);
  rmSync(join(store, DAY, ".replaced"), { force: true });
  rmSync(join(store, DAY, ".note.index"), { force: true });
  writeFileSync(join(store, `${NOTES}.gz.new`), "half");
}

test("a store with many faults is whole after one repair", async () => {
  const place = new Place(open);
  const backend = await place.open();
  const model = new Model();
  for (const batch of [[note("c", { at: LATER })], [note("d", { at: LATER }), note("late", { at: LATER })]]) {
    model.write(batch);
    await backend.write(batch);
    await backend.compress(ALL_DAYS);
  }
  for (const batch of [plain, [newer], [note("x", { at: LATER })]]) {
    model.write(batch);
    await backend.write(batch);
  }
  await backend.close();
  ruin(place.path);
  expect((await repaired(place)).length).toBeGreaterThan(5);
  expect(await found(place)).toEqual([]);
  expect((await walk(await place.open())).sort()).toEqual(model.lines({}).sort());
});

test("a repair that ends after any step is finished by the next one", async () => {
  const place = new Place(open);
  const backend = await place.open();
  const model = new Model();
  for (const batch of [plain, [newer], [elsewhere]]) {
    model.write(batch);
    await backend.write(batch);
    await backend.compress(Date.parse("2026-05-15") / 86_400_000);
  }
  await backend.write([note("late 2")]);
  model.write([note("late 2")]);
  await backend.close();
  edit(
    place.path,
    `${NOTES}.gz`,
    flip(() => 17),
  );
  edit(
    place.path,
    NOTES,
    (bytes) => `no pattern\n${bytes}${lineOf(note("moved", { at: LATER }))}\n${lineOf(note("a"))}\ntorn`,
  );
  model.write([note("moved", { at: LATER })]);
  const before = join(place.folder, "before");
  cpSync(place.path, before, { recursive: true });
  const repairs = (await repaired(place)).length;
  expect(repairs).toBeGreaterThan(4);
  for (let steps = 1; steps < repairs; steps += 1) {
    rmSync(place.path, { recursive: true });
    cpSync(before, place.path, { recursive: true });
    let left = steps;
    for await (const _ of filesystemChecker(place.path).repair()) {
      left -= 1;
      if (left === 0) break;
    }
    await repaired(place);
    expect(await found(place)).toEqual([]);
    const reader = await place.open({ readOnly: true });
    expect((await walk(reader)).sort()).toEqual(model.lines({}).sort());
  }
});

/** A mark in May waits for a line in June, beside a .gz. */
async function marked(): Promise<{ place: Place; model: Model }> {
  const place = new Place(open);
  const model = new Model();
  const backend = await place.open();
  for (const batch of [[note("c", { at: LATER })], [note("k")], [note("k", { at: LATER })]]) {
    model.write(batch);
    await backend.write(batch);
    if (batch[0]?.id === "c") await backend.compress(ALL_DAYS);
  }
  await backend.close();
  expect(readFileSync(join(place.path, DAY, ".replaced"), "utf8")).toContain('"by":{"day":"2026/06/01"');
  return { place, model };
}

test("marks that wait for a .gz whose head is damaged still count, and so do they after the repair", async () => {
  const { place, model } = await marked();
  edit(
    place.path,
    "2026/06/01/note.ndjson.gz",
    flip(() => 17),
  );
  expect(kindsOf(await found(place))).toEqual(["gzip_damaged"]);
  expect(kindsOf((await repaired(place)).map(({ finding }) => finding))).toEqual(["gzip_damaged"]);
  expect(await found(place)).toEqual([]);
  expect(await walk(await place.open({ readOnly: true }))).toEqual(model.lines({}));
});

test("marks that wait for a day that can't be read are left alone", async () => {
  const { place, model } = await marked();
  const obstacle = join(place.path, "2026/06/01/task_completion.ndjson.gz");
  mkdirSync(obstacle, { mode: 0o700 });
  expect(kindsOf(await found(place))).toEqual(["obstacle"]);
  expect(await repaired(place)).toEqual([]);
  rmSync(obstacle, { recursive: true });
  expect(await found(place)).toEqual([]);
  expect(await walk(await place.open({ readOnly: true }))).toEqual(model.lines({}));
});

test("a mark of a line that came since is a writer's, unless there is none", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write(plain);
  // As a deletion leaves it: it waits for nothing.
  writeFileSync(join(place.path, DAY, ".replaced"), '{"type":"note","offset":9999}\n', { mode: 0o600 });
  expect(await found(place)).toEqual([]);
  await backend.close();
  expect(kindsOf(await found(place))).toEqual(["mark_dangling"]);
});

test("what is remembered of forgotten ids outlives a repair of the lines beside it", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write(plain);
  await backend.forget(["a"]);
  await backend.close();
  expect(await found(place)).toEqual([]);
  edit(place.path, ".forgotten", (bytes) => `${hashOfForgotten("gone").slice(1)}\n${bytes}`);
  expect(await found(place)).toMatchObject([{ kind: "forgotten_damaged", line: 1, byte: 0 }]);
  await repaired(place);
  expect(await (await place.open()).write([note("a"), note("gone")])).toEqual(["superseded", "stored"]);
});
