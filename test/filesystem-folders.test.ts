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
const ERROR = { type: "error_occurrence", data: { error_type: "T", error_message: "m" } };

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
    const { calls, watch } = watching(place);
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
  },
);

test.runIf(process.platform === "linux")(
  "what was put into the place of files is there for good before anything is written, where the disk failed first",
  async () => {
    const place = new Place(open);
    const backend = await place.open({ durability: "fsync" });
    await backend.write([note("a"), note("b")]);
    await backend.compress(Date.parse("2026-05-02") / 86_400_000);
    const failing = watching(place, `fsyncSync ${DAY}`);
    await expect(whileFailing(failing.watch, () => backend.forget(["a"]))).rejects.toThrow("EIO");
    const { calls, watch } = watching(place);
    await whileFailing(watch, () => backend.write([note("c", { at: LATER })]));
    expect(calls.indexOf(`fsyncSync ${DAY}`)).toBeGreaterThanOrEqual(0);
    expect(calls.indexOf(`fsyncSync ${DAY}`)).toBeLessThan(
      calls.indexOf("fdatasyncSync 2026/06/01/note.ndjson"),
    );
  },
);

test.runIf(process.platform === "linux")(
  "no mark is gone for good before its line is, where a deletion failed half way",
  async () => {
    const place = new Place(open);
    const backend = await place.open({ durability: "fsync" });
    await backend.write([note("a", ERROR), note("b")]);
    await backend.write([note("a", { ...ERROR, at: LATER })]);
    const failing = watching(place, `unlinkSync ${DAY}/note.ndjson`);
    const deletion = () => backend.deleteOlderThan(instantOf(LATER));
    await expect(whileFailing(failing.watch, deletion)).rejects.toThrow("EIO");
    expect(failing.calls).toContain(`unlinkSync ${DAY}/error_occurrence.ndjson`);
    const { calls, watch } = watching(place);
    await whileFailing(watch, () => backend.write([note("c", { at: LATER })]));
    expect(calls.indexOf(`fsyncSync ${DAY}`)).toBeGreaterThanOrEqual(0);
    expect(calls.indexOf(`unlinkSync ${DAY}/.replaced`)).toBeGreaterThan(calls.indexOf(`fsyncSync ${DAY}`));
  },
);

test.runIf(process.platform === "linux")(
  "what a deletion that failed has removed is gone for good once it is forgotten",
  async () => {
    const place = new Place(open);
    const backend = await place.open({ durability: "fsync" });
    await backend.write([note("gone"), note("stays", { at: "2026-05-02" })]);
    const failing = watching(place, "unlinkSync 2026/05/02/note.ndjson");
    const deletion = () => backend.deleteOlderThan(instantOf(LATER));
    await expect(whileFailing(failing.watch, deletion)).rejects.toThrow("EIO");
    const { calls, watch } = watching(place);
    expect(await whileFailing(watch, () => backend.forget(["gone"]))).toBe(0);
    expect(calls).toContain("fsyncSync 2026/05");
  },
);

test("names of years, months and days that are no folders keep a store from nothing", async () => {
  const place = new Place(open);
  const backend = await place.open({ durability: "fsync" });
  await backend.write([note("old", { at: AT })]);
  await backend.close();
  for (const name of ["2019", "2026/04", "2026/05/30"])
    symlinkSync(join(place.folder, "nowhere"), join(place.path, name));
  for (const name of ["2018", "2026/03", "2026/05/29"]) writeFileSync(join(place.path, name), "");
  const again = await place.open({ durability: "fsync" });
  expect(await again.deleteOlderThan(instantOf(LATER))).toBe(1);
  expect(existsSync(join(place.path, "2018"))).toBe(true);
});

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

/** What is unlinked and synced, in order; the one call that is `failing` fails. */
function watching(place: Place, failing?: string) {
  const calls: string[] = [];
  const watch = (call: Call, _n: number, target: unknown) => {
    if (!["unlinkSync", "fsyncSync", "fdatasyncSync"].includes(call)) return false;
    const path = call === "unlinkSync" ? String(target) : linkOf(`/proc/self/fd/${String(target)}`);
    calls.push(`${call} ${relative(place.path, path)}`);
    return calls.at(-1) === failing;
  };
  return { calls, watch };
}

/** Where a descriptor leads; what was removed has a word behind its name. */
function linkOf(fd: string): string {
  try {
    return readlinkSync(fd);
  } catch {
    // It was the one for listing the others.
    return "";
  }
}
