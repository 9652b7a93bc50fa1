import { createHash } from "node:crypto";
import fs, { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import type { RejectedLine } from "../src/pattern/rejection.ts";
import { type DroppedFile, type GoneFile, RejectedLines } from "../src/queue/rejected/rejected.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "patternd-rejected-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function line(bytes: Uint8Array): RejectedLine {
  return { rejection: { code: "invalid_json", message: "expected JSON" }, bytes };
}

function records(file: string): Record<string, unknown>[] {
  return readFileSync(join(folder, file), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((text) => JSON.parse(text));
}

const onDay = (day: string) => () => new Date(`${day}T12:00:00Z`);

test("keeps the line as it came, in base64 where it is not UTF-8", async () => {
  const now = onDay("2026-11-22");
  const rejected = new RejectedLines({ folder, maxBytes: 1e6, days: 30, durability: "fsync", now });
  await rejected.keep([line(Buffer.from('{"a": "é'))]);
  await rejected.keep([line(Buffer.from([0xff, 0x41]))]);
  const kept = { time: "2026-11-22T12:00:00.000Z", code: "invalid_json", message: "expected JSON" };
  expect(records("2026-11-22.ndjson")).toEqual([
    { ...kept, line: '{"a": "é' },
    { ...kept, line_base64: "/0E=" },
  ]);
  expect(statSync(join(folder, "2026-11-22.ndjson")).mode & 0o777).toBe(0o600);
});

test("keeps the beginning of a long line, with its length and digest", async () => {
  const bytes = Buffer.alloc(100_000, "x");
  const rejected = new RejectedLines({
    folder,
    maxBytes: 1e6,
    days: 30,
    durability: "os",
    now: onDay("2026-11-22"),
  });
  await rejected.keep([line(bytes)]);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  expect(records("2026-11-22.ndjson")).toMatchObject([{ line: "x".repeat(65_536), length: 100_000, sha256 }]);
});

test("begins a line of its own behind a record that a crash cut short", async () => {
  const rejected = new RejectedLines({
    folder,
    maxBytes: 1e6,
    days: 30,
    durability: "os",
    now: onDay("2026-11-22"),
  });
  appendFileSync(join(folder, "2026-11-22.ndjson"), '{"time":"2026');
  await rejected.keep([line(Buffer.from("x"))]);
  const [torn, whole] = readFileSync(join(folder, "2026-11-22.ndjson"), "utf8").split("\n");
  expect(torn).toBe('{"time":"2026');
  expect(JSON.parse(whole ?? "")).toMatchObject({ line: "x" });
});

test("is bounded: the oldest file goes first, and that is said", async () => {
  const dropped: DroppedFile[] = [];
  const onDropped = (file: DroppedFile) => dropped.push(file);
  for (const day of ["2026-11-20", "2026-11-21", "2026-11-22"]) {
    const rejected = new RejectedLines({
      folder,
      maxBytes: 2_500,
      days: 30,
      durability: "os",
      now: onDay(day),
      onDropped,
    });
    await rejected.keep([line(Buffer.alloc(500, "x")), line(Buffer.alloc(500, "x"))]);
  }
  expect(readdirSync(folder).sort()).toEqual(["2026-11-21.ndjson", "2026-11-22.ndjson"]);
  expect(dropped).toEqual([{ file: "2026-11-20.ndjson", bytes: expect.any(Number), lines: 2 }]);
});

test("what imports refused is within the bound, too: the oldest goes first, also when no line is refused", async () => {
  const dropped: DroppedFile[] = [];
  const imported = ["21T09-00-00.000Z", "22T09-00-00.000Z"].map((time) => `imports-2026-11-${time}.ndjson`);
  for (const name of ["2026-11-20.ndjson", ...imported])
    appendFileSync(join(folder, name), "x".repeat(1_000));
  const rejected = new RejectedLines({
    folder,
    maxBytes: 2_500,
    days: 30,
    durability: "os",
    now: onDay("2026-11-22"),
    onDropped: (file) => dropped.push(file),
  });
  await rejected.expire();
  expect(dropped.splice(0)).toEqual([{ file: "2026-11-20.ndjson", bytes: 1_000, lines: 0 }]);
  expect(rejected.held).toEqual({ files: 2, bytes: 2_000 });
  await rejected.keep([line(Buffer.alloc(1_000, "x"))]);
  expect(dropped).toEqual([{ file: imported[0], bytes: 1_000, lines: 0 }]);
  expect(readdirSync(folder)).toEqual(["2026-11-22.ndjson", imported[1]]);
});

test("goes by age: files of days that are over for longer than that, and nothing else in the folder", async () => {
  const expired: GoneFile[] = [];
  const imported = (time: string) => `imports-${time}.ndjson`;
  const kept = ["2026-11-20.ndjson", imported("2026-11-20T00-00-00.000Z"), imported("mine")];
  const old = ["2025-12-31.ndjson", imported("2026-11-19T23-59-59.999Z"), "2026-11-19.ndjson"];
  const unfinished = ["2026-11-20.ndjson.new", `${kept[1]}.new`];
  for (const name of [...kept, ...old, ...unfinished]) appendFileSync(join(folder, name), "{}\n");
  const rejected = new RejectedLines({
    folder,
    maxBytes: 1e6,
    days: 2,
    durability: "os",
    now: onDay("2026-11-22"),
    onExpired: (file) => expired.push(file),
  });
  await rejected.expire();
  expect(readdirSync(folder).sort()).toEqual(kept);
  expect(expired).toEqual(old.map((file) => ({ file, bytes: 3 })));
  expect(rejected.held).toEqual({ files: 2, bytes: 6 });
});

test("a folder that is not there yet has nothing to go", async () => {
  const rejected = new RejectedLines({
    folder: join(folder, "none"),
    maxBytes: 1e6,
    days: 2,
    durability: "os",
  });
  await rejected.expire();
  expect(rejected.held).toEqual({ files: 0, bytes: 0 });
});

/** The files and folders that are synced by their handles, from now on to the end of the test. */
function syncedByHandle(): string[] {
  const { open } = fs.promises;
  const synced: string[] = [];
  Reflect.set(fs.promises, "open", async (...args: Parameters<typeof open>) => {
    const handle = await open(...args);
    const sync = handle.sync.bind(handle);
    handle.sync = async () => {
      await sync();
      synced.push(String(args[0]));
    };
    return handle;
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    Reflect.set(fs.promises, "open", open);
    syncBuiltinESMExports();
  });
  return synced;
}

test("a folder that had to be made is durable itself, with each that it is in", async () => {
  const synced = syncedByHandle();
  const made = join(folder, "state", "rejected");
  const rejected = new RejectedLines({ folder: made, maxBytes: 1e6, days: 2, durability: "fsync" });
  await rejected.keep([line(Buffer.from("x"))]);
  expect(synced).toEqual([join(folder, "state"), folder, made]);
  await rejected.keep([line(Buffer.from("y"))]);
  expect(synced.slice(3)).toEqual([made]);
});
