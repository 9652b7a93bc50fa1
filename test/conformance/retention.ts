/** What a deletion makes exceptions of, what it would take, and what never comes back. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/store/backend.ts";
import { AT, EARLIER, idsOf, instantOf, LATER, lineOf, note, walk } from "./patterns.ts";
import { type Open, Place } from "./place.ts";
import { ALL_DAYS, DAY_MS, dayOf } from "./upkeep.ts";

const TASK = { task_type: "t", agent: "a", duration_ms: 1, success: true };
const task = (id: string, at: string, more: object = {}) =>
  note(id, { at, type: "task_completion", data: TASK, ...more });

export function retention(open: Open): void {
  describe("exceptions", () => exceptions(open));
  describe("countOlderThan", () => counting(open));
  describe("forget", () => forgetting(open));
}

function exceptions(open: Open): void {
  test("types have cutoffs of their own, longer and shorter", async () => {
    const backend = await new Place(open).open();
    await backend.write([
      note("note old", { at: "2026-04-01" }),
      note("note new", { at: "2026-04-03" }),
      task("task old", "2026-04-01T12:00:00Z"),
      task("task new", "2026-04-01T12:00:00.000000001Z"),
    ]);
    const byType = { task_completion: instantOf("2026-04-01T12:00:00.000000001Z"), none: 0n };
    expect(await backend.deleteOlderThan(instantOf("2026-04-02"), { byType })).toBe(2);
    expect(await idsOf(backend)).toEqual(["note new", "task new"]);
    expect(await backend.deleteOlderThan(instantOf(LATER), { byType: { note: 0n } })).toBe(1);
    expect(await idsOf(backend)).toEqual(["note new"]);
  });

  test("patterns with a hold tag stay, whatever their age, and stay found", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const held = [
      note("held", { at: EARLIER, context: { tags: ["x", "keep"] } }),
      note("alone", { at: "2026-03-01", context: { tags: ["legal hold"] } }),
    ];
    await backend.write([
      ...held,
      note("other tag", { at: EARLIER, context: { tags: ["x", "keeper"] } }),
      note("no tag", { at: "2026-04-02" }),
      note("new", { at: LATER }),
    ]);
    const keepTags = ["keep", "legal hold", "never used"];
    for (const gone of [2, 0]) {
      expect(await backend.deleteOlderThan(instantOf(AT), { keepTags })).toBe(gone);
      expect(await idsOf(backend)).toEqual(["new", "held", "alone"]);
    }
    expect(await idsOf(backend, { tags: ["x"] })).toEqual(["held"]);
    await backend.close();
    const again = await place.open();
    expect(await again.write(held)).toEqual(["superseded", "superseded"]);
    expect(await again.deleteOlderThan(instantOf(AT))).toBe(2);
    expect(await idsOf(again)).toEqual(["new"]);
  });

  test("an older version that is kept for longer does not come back", async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write([
      task("by type", "2026-04-01"),
      note("by tag", { at: "2026-04-01", context: { tags: ["keep"] } }),
    ]);
    await backend.write([note("by type", { at: "2026-04-05" }), note("by tag", { at: "2026-04-05" })]);
    const cutoff = instantOf(AT);
    expect(
      await backend.deleteOlderThan(cutoff, { byType: { task_completion: 0n }, keepTags: ["keep"] }),
    ).toBe(2);
    expect(await walk(backend)).toEqual([]);
    for (const id of ["by type", "by tag"]) expect(await backend.get(id)).toBeUndefined();
    await backend.close();
    const again = await place.open();
    expect(await walk(again)).toEqual([]);
    await again.compress(ALL_DAYS);
    expect(await walk(await place.open({ readOnly: true }))).toEqual([]);
  });
}

function counting(open: Open): void {
  test("says what would go by day and type, and changes nothing", async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write([
      ...Array.from({ length: 30 }, (_, n) => note(`n${n}`, { at: "2026-04-01T10:00:00Z" })),
      ...Array.from({ length: 10 }, (_, n) => task(`t${n}`, "2026-04-01T11:00:00Z")),
      note("held", { at: "2026-04-01", context: { tags: ["keep"] } }),
      note("second day", { at: "2026-04-02" }),
      note("new", { at: AT }),
    ]);
    const before = await walk(backend);
    const reader = await place.open({ readOnly: true });
    for (const store of [backend, reader]) {
      const census = await store.countOlderThan(instantOf("2026-04-02T00:00:00.000000001Z"), {
        keepTags: ["keep"],
        byType: { task_completion: instantOf("2026-04-01T12:00:00Z") },
      });
      expect(census.isMost).toBe(true);
      expect(
        census.shares.map(({ day, type, patterns }) => [day - dayOf("2026-04-01"), type, patterns]),
      ).toEqual([
        [0, "note", 30],
        [0, "task_completion", 10],
        [1, "note", 1],
      ]);
      expect(census.bytes).toBeGreaterThanOrEqual(census.shares.reduce((sum, { bytes }) => sum + bytes, 0));
      for (const { bytes } of census.shares) expect(bytes).toBeGreaterThan(0);
      expect(await store.countOlderThan(0n)).toMatchObject({ isMost: false, shares: [] });
    }
    expect(await walk(backend)).toEqual(before);
  });

  test("what a deletion freed is in use no more, also where the deletion was ended on the way", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const DAYS = 40;
    const A_DAY = 100;
    const at = (n: number) =>
      new Date(Date.parse("2026-01-01") + Math.floor(n / A_DAY) * DAY_MS).toISOString();
    const data = { text: "x".repeat(500) };
    await backend.write(
      Array.from({ length: DAYS * A_DAY }, (_, n) => note(`n${n}`, { at: at(n), data: { ...data, n } })),
    );
    const before = await backend.countOlderThan(0n);
    expect(before.used).toBeLessThanOrEqual(before.bytes);
    let gone = 0;
    let closing: Promise<void> | undefined;
    const deletion = backend.deleteOlderThan(instantOf(AT), {}, (patterns) => {
      gone += patterns;
      if (gone > (DAYS * A_DAY) / 2) closing ??= Promise.resolve().then(() => backend.close());
    });
    await expect(deletion).rejects.toMatchObject({ code: "store_closed" });
    await closing;
    const again = await place.open();
    const left = (await walk(again, {}, 1000)).length;
    const after = await again.countOlderThan(instantOf(AT));
    expect(left).toBeGreaterThan(0);
    expect(Math.abs(after.used / before.used - left / (DAYS * A_DAY))).toBeLessThan(0.1);
    const shared = after.shares.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(Math.abs(shared / after.used - 1)).toBeLessThan(0.05);
    await again.deleteOlderThan(0n);
    const whole = await again.countOlderThan(0n);
    expect(whole.bytes).toBe(whole.used);
  });

  test("says what compression would find, and that it is done", async () => {
    const backend = await new Place(open).open();
    await backend.write(Array.from({ length: 50 }, (_, n) => note(`n${n}`)));
    const find = () => backend.countOlderThan(instantOf(LATER), {}, "plain");
    const before = await find();
    expect(before.shares).toHaveLength(await backend.compress(ALL_DAYS));
    for (const share of before.shares) expect(share).toMatchObject({ patterns: 50, type: "note" });
    expect(await find()).toMatchObject({ shares: [], isMost: false });
    const { shares, bytes } = await backend.countOlderThan(instantOf(LATER));
    expect(shares).toMatchObject([{ patterns: 50, plainBytes: 0 }]);
    expect(bytes).toBeGreaterThan(0);
  });
}

function forgetting(open: Open): void {
  const SECRET = "swordfish-7b1c";
  const secret = (id: string, at: string) => note(id, { at, data: { text: SECRET } });

  test("leaves nothing of any version in any file, and what comes again is refused for good", async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write([secret("a", "2026-04-01"), note("other", { at: "2026-04-01" })]);
    await backend.write([secret("b", AT)]);
    await backend.compress(ALL_DAYS);
    // An older version elsewhere, one beside compressed days, and one of another type.
    await backend.write([secret("a", "2026-04-02"), secret("b", "2026-05-01T12:00:00Z")]);
    await backend.write([task("a", LATER, { data: { ...TASK, error_message: SECRET } })]);
    expect(holding(place, SECRET).length).toBeGreaterThan(0);

    expect(await backend.forget(["a", "b", "never there"])).toBe(2);
    expect(holding(place, SECRET)).toEqual([]);
    const again = [secret("a", "2026-06-02"), note("new"), secret("b", LATER), note("never there")];
    expect(await backend.write(again)).toEqual(["superseded", "stored", "superseded", "superseded"]);
    expect(await idsOf(backend)).toEqual(["new", "other"]);
    expect(await backend.forget(["a", "b"])).toBe(0);
    await backend.close();

    const reopened = await place.open();
    expect(await reopened.write(again)).toEqual(["superseded", "superseded", "superseded", "superseded"]);
    expect(await idsOf(reopened)).toEqual(["new", "other"]);
    expect(holding(place, SECRET)).toEqual([]);
  });

  test("what another store has forgotten is refused from then on, and removes nothing", async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.forget(["elsewhere"]);
    const hashes = await backend.forgotten();
    expect(hashes).toEqual([createHash("sha256").update("elsewhere").digest("hex")]);

    const other = new Place(open);
    const stored = note("elsewhere", { at: AT });
    const taking = await other.open();
    await taking.write([stored]);
    await taking.remember(hashes);
    await taking.remember(hashes);
    expect(await taking.forgotten()).toEqual(hashes);
    expect(await taking.write([note("elsewhere", { at: LATER })])).toEqual(["superseded"]);
    expect(await walk(taking)).toEqual([lineOf(stored)]);
    await taking.close();
    expect(await (await other.open()).write([note("elsewhere", { at: LATER })])).toEqual(["superseded"]);
  });

  test("what is refused comes in no more, and what is there stays until it is forgotten", async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write([secret("a", AT)]);
    await backend.refuse(["a"]);
    expect(await backend.write([note("a", { at: LATER })])).toEqual(["superseded"]);
    expect(await walk(backend)).toEqual([lineOf(secret("a", AT))]);
    await backend.close();
    const reopened = await place.open();
    expect(await reopened.write([note("a", { at: LATER })])).toEqual(["superseded"]);
    expect(await reopened.forget(["a"])).toBe(1);
    expect(holding(place, SECRET)).toEqual([]);
  });

  test("a reader may not", async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write([note("a")]);
    const reader = await place.open({ readOnly: true });
    await expect(reader.refuse(["a"])).rejects.toMatchObject({ code: "store_failed" });
    await expect(reader.forget(["a"])).rejects.toMatchObject({ code: "store_failed" });
    await expect(reader.remember(["a"])).rejects.toMatchObject({ code: "store_failed" });
    expect(await walk(reader)).toEqual([lineOf(note("a"))]);
  });

  test("patterns that come meanwhile are written, but for those that are forgotten", async () => {
    const backend: Backend = await new Place(open).open();
    const old = Array.from({ length: 3000 }, (_, n) => note(`n${n}`, { data: { text: "x".repeat(500) } }));
    await backend.write(old);
    const gone = old.filter((_, n) => n % 3 === 0);
    const forgetting = backend.forget(gone.map(({ id }) => id));
    await new Promise(setImmediate);
    expect(await backend.write([note("n0", { at: LATER }), note("meanwhile", { at: LATER })])).toEqual([
      "superseded",
      "stored",
    ]);
    expect(await forgetting).toBe(1000);
    expect((await walk(backend, {}, 1000)).length).toBe(2001);
  });
}

/** The files of a store that hold a text. */
function holding(place: Place, text: string): string[] {
  return place
    .entries()
    .map(({ path }) => join(place.folder, path))
    .filter((path) => statSync(path).isFile())
    .filter((path) => {
      const bytes = readFileSync(path);
      return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).includes(text);
    });
}
