/** What a deletion leaves of the files and folders of days that go. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { setImmediate } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import type { OpenOptions } from "../src/store/backend.ts";
import { openFilesystem } from "../src/store/filesystem/backend.ts";
import { AT, instantOf, LATER, note } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";
import { type Call, whileFailing } from "./failing-calls.ts";

const open = (options: OpenOptions) => openFilesystem(options);
const DAY = "2026/05/01";

test("days that go leave no file and no folder; others stay as they are", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([note("x", { at: "2025-12-31" }), note("a"), note("later", { at: LATER })]);
  await backend.compress(Date.parse("2026-01-01") / 86_400_000);
  writeFileSync(join(place.path, DAY, "a person's"), "");
  const kept = readFileSync(join(place.path, "2026/06/01/note.ndjson"));
  expect(await backend.deleteOlderThan(instantOf(LATER))).toBe(2);
  expect(place.dayFiles()).toEqual([
    "2026",
    "2026/05",
    DAY,
    `${DAY}/a person's`,
    "2026/06",
    "2026/06/01",
    "2026/06/01/note.ndjson",
  ]);
  expect(readFileSync(join(place.path, "2026/06/01/note.ndjson")).equals(kept)).toBe(true);
});

test.runIf(process.platform === "linux")(
  "the room of days that went is given back: nobody holds their files open",
  async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write([note("a"), note("b", { at: "2026-05-02" }), note("later", { at: LATER })]);
    await backend.compress(Date.parse("2026-05-02") / 86_400_000);
    const holding = () =>
      readdirSync("/proc/self/fd")
        .map((fd) => linkOf(`/proc/self/fd/${fd}`))
        .filter((path) => path.startsWith(place.path));
    expect(await backend.deleteOlderThan(instantOf(LATER))).toBe(2);
    await vi.waitFor(() => {
      expect(holding().filter((path) => !existsSync(path))).toEqual([]);
    });
  },
);

test("neither a day whose last pattern is forgotten nor an empty folder stays", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([note("only"), note("later", { at: LATER })]);
  mkdirSync(join(place.path, "2026/04/30"), { recursive: true });
  expect(await backend.forget(["only"])).toBe(1);
  expect(place.dayFiles()).not.toContain(DAY);
  expect(await backend.deleteOlderThan(instantOf(LATER))).toBe(0);
  expect(place.dayFiles()).toEqual(["2026", "2026/06", "2026/06/01", "2026/06/01/note.ndjson"]);
});

test.runIf(process.platform === "linux")(
  "days that went are made durable once for all, and asked for again where the disk failed",
  async () => {
    const place = new Place(open);
    const backend = await place.open();
    await backend.write(["01", "02", "03"].map((day) => note(day, { at: `2026-05-${day}` })));
    await backend.write([note("later", { at: LATER }), note("beside", { at: "2026-06-02" })]);
    const synced: string[] = [];
    const syncing = (result: boolean) => (call: Call, _n: number, target: unknown) => {
      if (call !== "fsyncSync") return false;
      synced.push(linkOf(`/proc/self/fd/${String(target)}`));
      return result;
    };
    const deletion = () => backend.deleteOlderThan(instantOf(LATER));
    await expect(whileFailing(syncing(true), deletion)).rejects.toThrow("EIO");
    expect(await whileFailing(syncing(false), deletion)).toBe(0);
    expect(synced).toEqual([place.path, place.path].map((path) => join(path, "2026")));
    expect(await whileFailing(syncing(false), deletion)).toBe(0);
    expect(synced).toHaveLength(2);
  },
);

test.runIf(process.platform === "linux")(
  "what went is gone for good before anything is written: it may be one of the patterns that went",
  async () => {
    const place = new Place(open);
    const backend = await place.open({ durability: "fsync" });
    const days = Array.from({ length: 20 }, (_, index) => `2026-05-${String(index + 1).padStart(2, "0")}`);
    await backend.write(days.map((at) => note(at, { at })));
    const calls: string[] = [];
    let lastRemoved = "";
    const watch = (call: Call, _n: number, target: unknown) => {
      if (call === "rmdirSync" && /\d\d\/\d\d$/.test(String(target))) lastRemoved = String(target);
      if (call === "unlinkSync" || call === "fsyncSync" || call === "fdatasyncSync")
        calls.push(
          `${call} ${relative(place.path, call === "unlinkSync" ? String(target) : linkOf(`/proc/self/fd/${String(target)}`))}`,
        );
      return false;
    };
    let written: Promise<unknown> | undefined;
    await whileFailing(watch, async () => {
      const deleted = await backend.deleteOlderThan(instantOf(LATER), undefined, () => {
        written ??= setImmediate().then(() => backend.write([note("2026-05-01", { at: LATER })]));
      });
      expect(deleted).toBe(20);
      await written;
    });
    const write = calls.indexOf("fdatasyncSync 2026/06/01/note.ndjson");
    const removals = calls.slice(0, write);
    expect(removals.filter((call) => call.startsWith("unlink")).length).toBeLessThan(40);
    expect(removals.findLastIndex((call) => call.startsWith("unlink"))).toBeLessThan(
      removals.lastIndexOf("fsyncSync 2026/05"),
    );
    expect(lastRemoved).toContain("2026/05");
  },
);

test("a link that leads nowhere keeps nothing from being deleted, nor from being asked for a second time", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([note("old", { at: AT }), note("later", { at: LATER })]);
  mkdirSync(join(place.path, "2026/04"));
  symlinkSync(join(place.folder, "nowhere"), join(place.path, "2026/04/30"));
  expect(await backend.deleteOlderThan(instantOf(LATER))).toBe(1);
  expect(await backend.deleteOlderThan(instantOf(LATER))).toBe(0);
  expect(await backend.forget(["later"])).toBe(1);
});

test("a day's folder that can't be removed keeps nothing else from being deleted", async () => {
  const place = new Place(open);
  const backend = await place.open();
  await backend.write([note("old", { at: AT }), note("later", { at: LATER })]);
  mkdirSync(join(place.folder, "elsewhere"));
  mkdirSync(join(place.path, "2026/04"));
  symlinkSync(join(place.folder, "elsewhere"), join(place.path, "2026/04/30"));
  expect(await backend.deleteOlderThan(instantOf(LATER))).toBe(1);
  expect(existsSync(join(place.folder, "elsewhere"))).toBe(true);
});

/** Where a descriptor leads; what was removed has a word behind its name. */
function linkOf(fd: string): string {
  try {
    return readlinkSync(fd);
  } catch {
    // It was the one for listing the others.
    return "";
  }
}
