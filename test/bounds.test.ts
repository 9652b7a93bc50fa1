import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createLog } from "../src/log.ts";
import { boundAside, boundLog } from "../src/wiring/bounds.ts";

const DAY_MS = 86_400_000;
const NOW = Date.parse("2026-11-25T12:00:00Z");

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "patternd-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

function aside(): string[] {
  const inside = folder();
  return [10, 5, 3, 1].map((age) => {
    const file = join(inside, `${age} days`);
    writeFileSync(file, "x".repeat(100));
    utimesSync(file, (NOW - age * DAY_MS) / 1000, (NOW - age * DAY_MS) / 1000);
    return file;
  });
}

test.each([
  [{ days: 90, maxBytes: 400 }, 0],
  [{ days: 10, maxBytes: 400 }, 0],
  [{ days: 4, maxBytes: 400 }, 2],
  [{ days: 90, maxBytes: 399 }, 1],
  [{ days: 4, maxBytes: 150 }, 3],
  [{ days: 90, maxBytes: 0 }, 4],
])("of what was kept aside, %s removes the oldest: %i", (limits, gone) => {
  const files = aside();
  const removed: string[] = [];
  boundAside(files.toReversed(), limits, NOW, ({ file }) => removed.push(file));
  expect(removed).toEqual(files.slice(0, gone));
  expect(files.map((file) => existsSync(file))).toEqual(files.map((_, index) => index >= gone));
});

test("what is about to replace a file counts for nothing, unless it was left behind", () => {
  const files = aside();
  const replacement = `${files[0]}.new`;
  writeFileSync(replacement, "x".repeat(100));
  const remove = () => {
    const removed: string[] = [];
    boundAside([...files, replacement], { days: 90, maxBytes: 400 }, NOW, ({ file }) => removed.push(file));
    return removed;
  };
  utimesSync(replacement, NOW / 1000, NOW / 1000 - 60);
  expect(remove()).toEqual([]);
  utimesSync(replacement, NOW / 1000, (NOW - DAY_MS / 2) / 1000);
  expect(remove()).toEqual([files[0]]);
});

test("a link goes, not what it leads to; a folder stays", () => {
  const inside = folder();
  const target = join(inside, "target");
  writeFileSync(target, "x");
  const link = join(inside, "link");
  symlinkSync(target, link);
  boundAside([link, inside], { days: 1, maxBytes: 0 }, NOW, () => {});
  expect(lstatSync(link, { throwIfNoEntry: false })).toBeUndefined();
  expect(existsSync(target)).toBe(true);
});

test("a log that is too large begins anew, and nothing that is logged is lost", () => {
  const file = join(folder(), "patternd.log");
  const { log } = createLog({ level: "info", file });
  log("info", "daemon.started", { number: 1 });
  boundLog(file, 1_000_000);
  expect(existsSync(`${file}.1`)).toBe(false);
  boundLog(file, 10);
  log("info", "daemon.stopped", { number: 2 });
  expect(readFileSync(`${file}.1`, "utf8")).toMatch(/^{.*"number":1}\n$/);
  expect(readFileSync(file, "utf8")).toMatch(/^{.*"number":2}\n$/);
  boundLog(`${file}.none`, 10);
  boundLog("/dev/null", 0);
});
