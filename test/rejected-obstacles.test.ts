/** What is no plain file in the folder of rejected lines: nothing waits for it, and the other days are worked on. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RejectedReview } from "../src/queue/rejected/replay.ts";
import { allIn, LINE_BYTES, line, newFolder, openAt, storing, textsOf } from "./rejected-fixture.ts";

const fifo = (path: string) => expect(spawnSync("mkfifo", [path]).status).toBe(0);
const OBSTACLES: Record<string, (path: string) => void> = {
  "a folder": (path) => mkdirSync(path),
  "a FIFO": fifo,
  "a link to a folder": (path) => symlinkSync("/", path),
  "a link to a FIFO": (path) => {
    fifo(`${path}.pipe`);
    symlinkSync(`${path}.pipe`, path);
  },
};

test.each(Object.keys(OBSTACLES))("%s among the days is passed over", async (what) => {
  const folder = newFolder();
  const rejected = openAt(folder, "2026-11-22T12:00:00Z");
  await rejected.keep([line("one"), line("two")]);
  const path = join(folder, "2026-11-20.ndjson");
  OBSTACLES[what]?.(path);
  expect(textsOf(await allIn(folder))).toEqual(["two", "one"]);
  const review = new RejectedReview(rejected, LINE_BYTES);
  const stored: string[] = [];
  const replayed = await review.replay(
    {},
    storing(stored, (text) => text === "one"),
    false,
  );
  expect([replayed.lines, stored]).toEqual([2, ["one"]]);
  expect(await review.purge({}, false)).toMatchObject({ lines: 1 });
  expect(await allIn(folder)).toEqual([]);
  expect(existsSync(path)).toBe(true);
});

test.each(["a folder", "a FIFO"])("%s in today's place keeps no line, and says so", async (what) => {
  const folder = newFolder();
  const rejected = openAt(folder, "2026-11-22T12:00:00Z");
  OBSTACLES[what]?.(join(folder, "2026-11-22.ndjson"));
  await expect(rejected.keep([line("one")])).rejects.toThrow();
});

test.each(["a folder", "a FIFO"])("%s does not keep what is old from going", async (what) => {
  const folder = newFolder();
  await openAt(folder, "2026-01-02T12:00:00Z").keep([line("old")]);
  OBSTACLES[what]?.(join(folder, "2026-01-01.ndjson"));
  await openAt(folder, "2026-11-22T12:00:00Z").expire();
  expect(existsSync(join(folder, "2026-01-02.ndjson"))).toBe(false);
});
