import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  PatternStorage,
  type StorageOptions,
  type StoreRepair,
  type TaskCompletionPattern,
} from "../src/index.ts";
import { BACKEND_KINDS } from "../src/store/open.ts";

const NOW = Date.parse("2026-06-15T12:00:00Z");
const DAY_MS = 86_400_000;

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "patternd-library-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "store");
}

function task(id: string, timestamp: string): TaskCompletionPattern {
  const data = { task_type: "refactoring", agent: "builder", duration_ms: 1, success: true };
  return { pattern_id: id, pattern_type: "task_completion", timestamp, data };
}

/** Named by its age in days, and so much newer. */
function aged(days: number, newerByMs = 0): TaskCompletionPattern {
  const timestamp = new Date(NOW - days * DAY_MS + newerByMs).toISOString();
  return task(`${days}${newerByMs === 0 ? "" : ` and ${newerByMs}`}`, timestamp);
}

async function idsIn(storage: PatternStorage): Promise<string[]> {
  return (await storage.query()).map(({ pattern_id }) => pattern_id);
}

const DELETION = { retentionDays: "expected a number of days above 0, at most 36500" };
const COMPRESSION = { afterDays: "expected a number of days from 0 to 36500" };

describe.each(BACKEND_KINDS)("upkeep of a storage on %s", (backend) => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: NOW });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  async function openAt(path: string, options: Partial<StorageOptions> = {}): Promise<PatternStorage> {
    const storage = await PatternStorage.open({
      backend,
      path,
      durability: "os",
      timezone: "UTC",
      ...options,
    });
    onTestFinished(() => storage.close());
    return storage;
  }

  test("deletes exactly what is older than so many days", async () => {
    const storage = await openAt(newPath());
    await storage.saveMany([
      aged(120),
      aged(90, -1),
      aged(90),
      aged(90, 1),
      aged(10),
      aged(1.5),
      aged(1.5, -1),
    ]);
    expect(await storage.deleteOldPatterns()).toBe(2);
    expect(await idsIn(storage)).toEqual(["1.5", "1.5 and -1", "10", "90 and 1", "90"]);
    expect(await storage.deleteOldPatterns({ retentionDays: 90 })).toBe(0);
    vi.setSystemTime(NOW + 1);
    expect(await storage.deleteOldPatterns({ retentionDays: undefined })).toBe(1);
    vi.setSystemTime(NOW);
    expect(await storage.deleteOldPatterns({ retentionDays: 1.5 })).toBe(3);
    expect(await idsIn(storage)).toEqual(["1.5"]);
    expect(await storage.load("10")).toBeUndefined();
    expect(await storage.save(aged(10))).toBe("stored");
  });

  test("takes both thresholds from open if a call does not say", async () => {
    const storage = await openAt(newPath(), { retentionDays: 5, compressAfterDays: 2 });
    await storage.saveMany([aged(6), aged(4), aged(3), aged(2)]);
    expect(await storage.deleteOldPatterns()).toBe(1);
    expect(await storage.compressOldFiles()).toBe(backend === "sqlite" ? 0 : 2);
    expect(await storage.compressOldFiles({ afterDays: 1 })).toBe(backend === "sqlite" ? 0 : 1);
    expect(await idsIn(storage)).toEqual(["2", "3", "4"]);
  });

  test("compresses whole days that ended so long ago, and changes no answer", async () => {
    const path = newPath();
    const storage = await openAt(path);
    // Thirty days ago it was noon: of that day the first half is older.
    const patterns = [task("half", "2026-05-16T00:00:00Z"), task("whole", "2026-05-15T23:59:59.999999999Z")];
    await storage.saveMany([...patterns, task("other", "2026-01-01")]);
    const lines = await storage.queryLines();
    const packed = (day: string) => existsSync(join(path, "2026", day, "task_completion.ndjson.gz"));
    expect(await storage.compressOldFiles()).toBe(backend === "sqlite" ? 0 : 2);
    expect(["05/16", "05/15", "01/01"].map(packed)).toEqual([
      false,
      ...Array(2).fill(backend === "filesystem"),
    ]);
    expect(await storage.compressOldFiles()).toBe(0);
    expect(await storage.queryLines()).toEqual(lines);
    expect(await storage.loadLine("whole")).toBe(JSON.stringify(patterns[1]));
    expect(await storage.save(task("other", "2026-01-01"))).toBe("superseded");
    expect(await storage.deleteOldPatterns({ retentionDays: 31 })).toBe(1);
    expect(await idsIn(storage)).toEqual(["half", "whole"]);
  });

  test("refuses options that make no sense, by name, and does nothing", async () => {
    const path = newPath();
    const storage = await openAt(path);
    await storage.save(aged(1000));
    const deletions: object[] = [-1, 0, Number.NaN, Number.POSITIVE_INFINITY, 36_501, "90", 1n, () => 1].map(
      (retentionDays) => ({ retentionDays }),
    );
    for (const options of deletions) {
      await expect(storage.deleteOldPatterns(options)).rejects.toMatchObject({
        code: "bad_request",
        message: expect.stringContaining(`retentionDays: ${DELETION.retentionDays}, got `),
      });
    }
    for (const afterDays of [-0.1, Number.NaN, 36_501, null]) {
      const options: object = { afterDays };
      await expect(storage.compressOldFiles(options)).rejects.toMatchObject({
        code: "bad_request",
        message: `afterDays: ${COMPRESSION.afterDays}, got ${afterDays}`,
      });
    }
    const misspelt: object = { days: 1 };
    await expect(storage.deleteOldPatterns(misspelt)).rejects.toThrow("days: unknown key");
    await storage.close();
    const wrong: object = { backend, path, retentionDays: 0, compressAfterDays: -1, onRepair: "log" };
    await expect(PatternStorage.open({ path, ...wrong })).rejects.toMatchObject({
      code: "bad_request",
      message: [
        `retentionDays: ${DELETION.retentionDays}, got 0`,
        `compressAfterDays: ${COMPRESSION.afterDays}, got -1`,
        'onRepair: expected a function, got "log"',
      ].join("\n"),
    });
    expect(await idsIn(await openAt(path))).toEqual(["1000"]);
  });

  test("is not for readers, nor for what is closed", async () => {
    const path = newPath();
    const writer = await openAt(path);
    await writer.save(aged(1000));
    const reader = await openAt(path, { readOnly: true });
    await expect(reader.deleteOldPatterns()).rejects.toMatchObject({ code: "store_failed" });
    await expect(reader.compressOldFiles()).rejects.toMatchObject({ code: "store_failed" });
    expect(await idsIn(reader)).toEqual(["1000"]);
    const deletion = writer.deleteOldPatterns();
    expect(await writer.save(aged(1))).toBe("stored");
    expect(await deletion).toBe(1);
    await writer.close();
    await expect(writer.deleteOldPatterns()).rejects.toMatchObject({ code: "store_closed" });
    await expect(writer.compressOldFiles()).rejects.toMatchObject({ code: "store_closed" });
  });
});

test("what was cut short by a crash is told while opening, and kept", async () => {
  const path = newPath();
  const options = { path, durability: "os", timezone: "UTC" } as const;
  const first = await PatternStorage.open(options);
  await first.saveMany([task("a", "2026-05-01"), task("b", "2026-05-02")]);
  await first.close();
  const torn = join(path, "2026/05/02/task_completion.ndjson");
  appendFileSync(torn, '{"pattern_id":"한');
  const thrown = new Error("the caller's own");
  const failing = PatternStorage.open({
    ...options,
    onRepair: () => {
      throw thrown;
    },
  });
  await expect(failing).rejects.toBe(thrown);
  appendFileSync(torn, "half");
  const repairs: StoreRepair[] = [];
  await using storage = await PatternStorage.open({ ...options, onRepair: (repair) => repairs.push(repair) });
  expect(repairs).toEqual([{ file: torn, bytes: 4, keptAs: expect.stringContaining(join(path, ".aside")) }]);
  expect(readFileSync(repairs[0]?.keptAs ?? "", "utf8")).toBe("half");
  expect(await idsIn(storage)).toEqual(["b", "a"]);
});

test.each([
  ["raises", "SELECT RAISE(ABORT, 'not this one')"],
  ["ignores", "SELECT RAISE(IGNORE)"],
])("which of many a database refuses is said, when it %s", async (_, action) => {
  const path = newPath();
  const options = { backend: "sqlite", path, durability: "os", timezone: "UTC" } as const;
  await (await PatternStorage.open(options)).close();
  const db = new Database(`${path}.db`);
  db.exec(`CREATE TRIGGER no BEFORE INSERT ON patterns WHEN new.pattern_id = 'bad' BEGIN ${action}; END`);
  db.close();
  await using storage = await PatternStorage.open(options);
  const [good, bad] = [task("good", "2026-05-01"), task("bad", "2026-05-01")];
  const refused = { name: "PatternError", code: "not_storable", patternId: "bad" };
  await expect(storage.saveMany([good, bad, good])).rejects.toMatchObject({ ...refused, index: 1 });
  await expect(storage.save(bad)).rejects.toMatchObject({ ...refused, index: undefined });
  expect(await storage.query()).toEqual([]);
});
