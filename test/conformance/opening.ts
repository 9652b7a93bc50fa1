import { chownSync, existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { instantOf, LATER, lineOf, note, parse, walk } from "./patterns.ts";
import { type Open, Place } from "./place.ts";

export function opening(open: Open): void {
  test("a reopened store knows everything", async () => {
    const place = new Place(open);
    const first = await place.open({ durability: "fsync" });
    const batch = [note("a", { context: { tags: ["x"], agent: "me" } }), note("b"), note("b", { at: LATER })];
    await first.write(batch);
    const before = [
      await walk(first),
      await walk(first, { tags: ["x"] }),
      await walk(first, { agent: "me" }),
    ];
    await first.close();
    const second = await place.open({ durability: "fsync" });
    expect(await walk(second)).toHaveLength(2);
    expect([
      await walk(second),
      await walk(second, { tags: ["x"] }),
      await walk(second, { agent: "me" }),
    ]).toEqual(before);
    expect(await second.write(batch)).toEqual(["superseded", "superseded", "superseded"]);
  });

  test("the zone is fixed when the store is created", async () => {
    const place = new Place(open);
    const first = await place.open({ timezone: "Asia/Seoul" });
    expect(first.metadata).toEqual({ format: expect.any(Number), timezone: "Asia/Seoul" });
    await first.close();
    expect((await place.open({ timezone: "UTC" })).metadata).toEqual(first.metadata);
    expect((await place.open({ timezone: "UTC", readOnly: true })).metadata).toEqual(first.metadata);
  });

  test("a missing store is not found by a reader, which makes nothing", async () => {
    const place = new Place(open);
    await expect(place.open({ readOnly: true })).rejects.toMatchObject({ code: "store_not_found" });
    expect(existsSync(place.path) || existsSync(`${place.path}.db`)).toBe(false);
  });

  test("a reader writes nothing", async () => {
    const place = new Place(open);
    const writer = await place.open();
    await writer.write([note("a")]);
    await writer.close();
    const reader = await place.open({ readOnly: true });
    expect(await reader.get("a")).toBe(lineOf(note("a")));
    await expect(reader.write([note("b")])).rejects.toMatchObject({ code: "store_failed" });
    expect(await walk(reader)).toEqual([lineOf(note("a"))]);
  });

  test("a reader beside the writer sees what is written, each pattern once", async () => {
    const place = new Place(open);
    const writer = await place.open();
    const reader = await place.open({ readOnly: true });
    expect(await walk(reader)).toEqual([]);
    for (let round = 0; round < 3; round += 1) {
      const batch = Array.from({ length: 50 }, (_, n) =>
        note(`n${n}`, { at: `2026-05-0${round + 1}`, data: { round } }),
      );
      await writer.write(batch);
      const lines = await walk(reader, {}, 7);
      expect(lines.sort()).toEqual(batch.map(lineOf).sort());
    }
    expect(parse((await reader.get("n7")) ?? "").instant).toBe(instantOf("2026-05-03"));
  });

  const isRoot = process.geteuid?.() === 0;

  test.skipIf(!isRoot)("another user's store is root's to read only (skipped unless root)", async () => {
    const place = new Place(open);
    const writer = await place.open();
    await writer.write([note("a")]);
    await writer.close();
    const all = () => [".", ...place.entries().map(({ path }) => path)].sort();
    const states = () =>
      all().map((path) => {
        const { uid, mode, size, mtimeNs } = statSync(join(place.folder, path), { bigint: true });
        return { path, uid, mode, size, mtimeNs };
      });
    for (const path of all()) chownSync(join(place.folder, path), 65_534, 65_534);
    const before = states();
    await expect(place.open()).rejects.toMatchObject({ code: "store_of_another_user" });
    expect(states()).toEqual(before);
    const reader = await place.open({ readOnly: true });
    expect(await walk(reader)).toEqual([lineOf(note("a"))]);
    await reader.close();
    expect(new Set(states().map(({ uid }) => uid))).toEqual(new Set([65_534n]));
  });

  test.skipIf(!isRoot)("root's store may be in another user's folder (skipped unless root)", async () => {
    const place = new Place(open);
    mkdirSync(place.path);
    for (const folder of [place.folder, place.path]) chownSync(folder, 65_534, 65_534);
    for (const id of ["a", "b"]) {
      const writer = await place.open();
      expect(await writer.write([note(id)])).toEqual(["stored"]);
      await writer.close();
    }
  });

  test("a second writer is refused, told who holds the store; readers are not", async () => {
    const place = new Place(open);
    const first = await place.open({ holder: "the daemon of the test" });
    const second = place.open({ holder: "another" });
    await expect(second).rejects.toMatchObject({ code: "store_locked" });
    await expect(second).rejects.toThrow("the daemon of the test");
    await place.open({ readOnly: true });
    await first.close();
    expect(await (await place.open()).write([note("a")])).toEqual(["stored"]);
  });

  test("a closed store answers nothing, and may be closed again", async () => {
    const backend = await new Place(open).open();
    await backend.close();
    await backend.close();
    const closed = { code: "store_closed" };
    await expect(backend.write([note("a")])).rejects.toMatchObject(closed);
    await expect(backend.get("a")).rejects.toMatchObject(closed);
    await expect(backend.query({}, { limit: 1 })).rejects.toMatchObject(closed);
  });

  test("a store is for its owner only", async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write([note("a")]);
    expect(place.entries()).not.toHaveLength(0);
    for (const { path, mode } of place.entries()) expect([path, mode & 0o077]).toEqual([path, 0]);
  });
}
