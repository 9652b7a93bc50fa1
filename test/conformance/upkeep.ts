/** Deletion and compression: what both do to answers, whatever they do to files. */
import { describe, expect, test } from "vitest";
import { AT, EARLIER, idsOf, instantOf, LATER, lineOf, Model, note, walk } from "./patterns.ts";
import { type Open, Place } from "./place.ts";

export const DAY_MS = 86_400_000;
export const dayOf = (timestamp: string) => Math.floor(Date.parse(timestamp) / DAY_MS);
export const ALL_DAYS = dayOf("2262-01-02");
const CORRECTION = { original_output: "", corrected_output: "", correction_type: "c", agent: "a" };

export function upkeep(open: Open): void {
  describe("deleteOlderThan", () => deletion(open));
  describe("compress", () => compression(open));
}

function deletion(open: Open): void {
  test("takes exactly what is older, to the nanosecond, across days and types", async () => {
    const backend = await new Place(open).open();
    await backend.write([
      note("old", { at: EARLIER, context: { tags: ["x"], agent: "a" } }),
      note("other type", { at: "2026-05-01T09:00:00Z", type: "user_correction", data: CORRECTION }),
      note("just before", { at: "2026-05-01T09:59:59.999999999Z", context: { tags: ["x"], agent: "a" } }),
      note("at", { at: AT, context: { tags: ["x"], agent: "a" } }),
      note("later", { at: LATER }),
    ]);
    const told: number[] = [];
    expect(await backend.deleteOlderThan(instantOf(AT), {}, (patterns) => told.push(patterns))).toBe(3);
    expect(told.reduce((sum, patterns) => sum + patterns)).toBe(3);
    expect(await idsOf(backend)).toEqual(["later", "at"]);
    expect(await idsOf(backend, { tags: ["x"] })).toEqual(["at"]);
    expect(await idsOf(backend, { agent: "a" })).toEqual(["at"]);
    for (const id of ["old", "just before", "other type"]) expect(await backend.get(id)).toBeUndefined();
    expect(await backend.deleteOlderThan(instantOf(AT), {}, (patterns) => told.push(patterns))).toBe(0);
    expect(told).not.toContain(0);
  });

  test("counts patterns, not their replaced versions, and brings none of those back", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const versions = ["2026-05-01", "2026-05-01T08:00:00Z", "2026-05-02", LATER];
    for (const at of versions.slice(0, 3)) await backend.write([note("gone", { at })]);
    for (const at of versions) await backend.write([note("kept", { at })]);
    expect(await backend.deleteOlderThan(instantOf("2026-05-02T00:00:00.000000001Z"))).toBe(1);
    expect(await walk(backend)).toEqual([lineOf(note("kept", { at: LATER }))]);
    await backend.close();
    const again = await place.open();
    expect(await walk(again)).toEqual([lineOf(note("kept", { at: LATER }))]);
    expect(await again.get("gone")).toBeUndefined();
  });

  test("what was deleted may come again, and is new", async () => {
    const backend = await new Place(open).open();
    const batch = [note("a"), note("b", { at: "2026-05-01T08:00:00Z" }), note("c", { at: EARLIER })];
    await backend.write(batch);
    expect(await backend.deleteOlderThan(instantOf(AT))).toBe(2);
    expect(await backend.write(batch)).toEqual(["superseded", "stored", "stored"]);
    expect(await idsOf(backend)).toEqual(["a", "b", "c"]);
    expect(await backend.deleteOlderThan(instantOf(LATER))).toBe(3);
    expect(await backend.write(batch)).toEqual(["stored", "stored", "stored"]);
    expect(await idsOf(backend)).toEqual(["a", "b", "c"]);
  });

  test.each([
    ["beyond every instant", 10n ** 30n, 2],
    ["before every instant", -(10n ** 30n), 0],
  ])("a cutoff may be %s", async (_, cutoff, gone) => {
    const backend = await new Place(open).open();
    await backend.write([note("a", { at: "1970-01-01T00:00:00+23:59" }), note("b")]);
    expect(await backend.deleteOlderThan(cutoff)).toBe(gone);
    expect(await walk(backend)).toHaveLength(2 - gone);
  });

  test("more than one step's worth goes, while patterns are written and questions answered", async () => {
    const backend = await new Place(open).open();
    const batch = Array.from({ length: 1700 }, (_, n) =>
      note(`n${n}`, { at: n % 2 ? EARLIER : AT, context: { tags: [`t${n % 3}`] } }),
    );
    await backend.write(batch);
    const deletion = backend.deleteOlderThan(instantOf(AT));
    expect(await backend.write([note("meanwhile", { at: LATER })])).toEqual(["stored"]);
    expect((await walk(backend, { start: instantOf(LATER) })).length).toBe(1);
    expect(await deletion).toBe(850);
    expect(await walk(backend, {}, 1000)).toHaveLength(851);
  });

  test("a reader may not, and an end comes to a close", async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write([note("a")]);
    const reader = await place.open({ readOnly: true });
    await expect(reader.deleteOlderThan(instantOf(LATER))).rejects.toMatchObject({ code: "store_failed" });
    await expect(reader.compress(ALL_DAYS)).rejects.toMatchObject({ code: "store_failed" });
    await backend.close();
    await expect(backend.deleteOlderThan(instantOf(LATER))).rejects.toMatchObject({ code: "store_closed" });
    await expect(backend.compress(ALL_DAYS)).rejects.toMatchObject({ code: "store_closed" });
    expect(await walk(reader)).toEqual([lineOf(note("a"))]);
  });
}

function compression(open: Open): void {
  const batch = [
    note("a", { at: "2026-05-01T01:00:00Z" }),
    note("b", { at: "2026-05-01T02:00:00Z", context: { tags: ["x"] } }),
    note("c", { at: "2026-05-01T03:00:00Z", type: "user_correction", data: CORRECTION }),
    note("d", { at: "2026-05-02T01:00:00Z", data: { odd: "한국어 🦊 \ud800" } }),
    note("e", { at: LATER }),
  ];

  test("changes no answer: not before, nor after, nor reopened, nor to a reader", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const reader = await place.open({ readOnly: true });
    await backend.write(batch);
    const before = [await walk(backend, {}, 2), await walk(backend, { tags: ["x"] })];
    for (let round = 0; round < 2; round += 1) {
      await backend.compress(dayOf(LATER));
      for (const store of [backend, reader]) {
        expect([await walk(store, {}, 2), await walk(store, { tags: ["x"] })]).toEqual(before);
        for (const pattern of batch) expect(await store.get(pattern.id)).toBe(lineOf(pattern));
      }
      expect(await backend.write(batch)).toEqual(batch.map(() => "superseded"));
    }
    await backend.close();
    const again = await place.open();
    expect(await walk(again, {}, 2)).toEqual(before[0]);
    expect(await again.write(batch)).toEqual(batch.map(() => "superseded"));
  });

  test("what was compressed is replaced like anything else", async () => {
    const place = new Place(open);
    let backend = await place.open();
    await backend.write(batch);
    await backend.compress(ALL_DAYS);
    const newer = [
      note("a", { at: "2026-05-01T01:00:00Z", data: { n: 2 } }),
      note("b", { at: "2026-05-02T02:00:00Z" }),
      note("d", { at: LATER, type: "user_correction", data: CORRECTION }),
    ];
    const model = new Model();
    model.write([...batch, ...newer]);
    expect(await backend.write(newer)).toEqual(["replaced", "replaced", "replaced"]);
    for (let round = 0; round < 3; round += 1) {
      expect(await walk(backend)).toEqual(model.lines({}));
      expect(await walk(await place.open({ readOnly: true }))).toEqual(model.lines({}));
      const again = [...batch, ...newer];
      expect(await backend.write(again)).toEqual(model.write(again));
      await backend.close();
      backend = await place.open();
      await backend.compress(ALL_DAYS);
    }
  });

  test("a version that alternates between two types stays the last one", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const data = { task_type: "t", agent: "a", duration_ms: 1, success: true };
    const versions = [note("a", { data }), note("a", { data, type: "task_completion" })];
    for (const [n, version] of [...versions, ...versions, ...versions].entries()) {
      expect(await backend.write([version])).toEqual([n === 0 ? "stored" : "replaced"]);
      if (n % 3 !== 1) await backend.compress(ALL_DAYS);
      expect(await walk(backend)).toEqual([lineOf(version)]);
      expect(await backend.get("a")).toBe(lineOf(version));
    }
  });

  test("long lines and many lines come back byte for byte", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const long = Array.from({ length: 5 }, (_, n) =>
      note(`long ${n}`, { data: { text: "é".repeat(n * 200_000) } }),
    );
    const many = Array.from({ length: 3000 }, (_, n) =>
      note(`n${n}`, { data: { n, text: "x".repeat(300) } }),
    );
    await backend.write([...long, ...many]);
    await backend.compress(ALL_DAYS);
    for (const pattern of [...long, ...many]) expect(await backend.get(pattern.id)).toBe(lineOf(pattern));
    const expected = [...long, ...many].map(lineOf).sort();
    expect((await walk(backend, {}, 1000)).sort()).toEqual(expected);
    expect(await backend.write(many)).toEqual(many.map(() => "superseded"));
  });

  test("patterns that arrive meanwhile, for the same days, are there once", async () => {
    const backend = await new Place(open).open();
    const old = Array.from({ length: 4000 }, (_, n) => note(`n${n}`, { data: { n, text: "x".repeat(500) } }));
    await backend.write(old);
    const compression = backend.compress(ALL_DAYS);
    const newer = Array.from({ length: 40 }, (_, n) => note(`n${n * 7}`, { data: { newer: n } }));
    for (const pattern of newer) {
      expect(await backend.write([pattern])).toEqual(["replaced"]);
      await new Promise(setImmediate);
    }
    await compression;
    const model = new Model();
    model.write([...old, ...newer]);
    expect(await walk(backend, {}, 1000)).toEqual(model.lines({}));
    await backend.compress(ALL_DAYS);
    expect(await walk(backend, {}, 1000)).toEqual(model.lines({}));
  });
}
