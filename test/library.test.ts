import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type Pattern,
  type PatternContext,
  PatternError,
  PatternStorage,
  type StorageOptions,
  type TaskCompletionPattern,
} from "../src/index.ts";
import { BACKEND_KINDS } from "../src/store/open.ts";
import { DATA } from "./pattern-fixture.ts";
import { newSeed } from "./process/patterns.ts";

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "patternd-library-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function task(
  id: string,
  timestamp = "2026-05-01T10:00:00Z",
  context: PatternContext = {},
): TaskCompletionPattern {
  const data = { task_type: "refactoring", agent: "builder", duration_ms: 1, success: true };
  return { pattern_id: id, pattern_type: "task_completion", timestamp, data, context };
}

const ids = (patterns: readonly Pattern[]) => patterns.map((pattern) => pattern.pattern_id);

describe.each(BACKEND_KINDS)("a storage on %s", (backend) => {
  async function openNew(options: Partial<StorageOptions> = {}): Promise<PatternStorage> {
    const storage = await PatternStorage.open({
      backend,
      path: join(newFolder(), "store"),
      durability: "os",
      timezone: "UTC",
      ...options,
    });
    onTestFinished(() => storage.close());
    return storage;
  }

  test("says what became of each pattern", async () => {
    const storage = await openNew();
    expect(await storage.save(task("a"))).toBe("stored");
    expect(await storage.save(task("a", "2026-05-02"))).toBe("replaced");
    expect(await storage.saveMany(new Set([task("a"), task("b"), task("b")]))).toEqual([
      "superseded",
      "stored",
      "superseded",
    ]);
    expect(await storage.load("a")).toEqual(task("a", "2026-05-02"));
    expect(await storage.load("c")).toBeUndefined();
    expect(ids(await storage.query())).toEqual(["a", "b"]);
  });

  test("stores an object's JSON text, and a line as it is", async () => {
    const storage = await openNew();
    const odd = { ...task("o"), when: new Date(0), none: undefined, lone: "\ud800", not: Number.NaN };
    await storage.save(odd);
    expect(await storage.loadLine("o")).toBe(JSON.stringify(odd));
    const line = ` {"b":9007199254740993,"a":"\\u0061\\/","b":1.0,${JSON.stringify(task("l")).slice(1)} `;
    for (const end of ["", "\n", "\r\n", "\r"]) {
      expect(await storage.saveLine(line + end)).toBe(end === "" ? "stored" : "superseded");
    }
    expect(await storage.loadLine("l")).toBe(line);
    expect(await storage.queryLines({ where: "b=1" })).toEqual([line]);
  });

  test("throws a PatternError for what breaks a rule, and stores nothing of it", async () => {
    const storage = await openNew();
    const bad = { ...task("bad"), data: { ...DATA.task_completion, duration_ms: -5 } };
    const error = await storage.save(bad).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PatternError);
    expect(error).toMatchObject({
      name: "PatternError",
      code: "invalid_field",
      path: "data.duration_ms",
      patternId: "bad",
      index: undefined,
      message: "data.duration_ms: expected an integer >= 0, got -5",
    });
    const many = storage.saveMany([task("a"), task("b"), bad, task("c")]);
    await expect(many).rejects.toMatchObject({ code: "invalid_field", path: "data.duration_ms", index: 2 });
    expect(await storage.query()).toEqual([]);
  });

  test("throws a PatternError for what is no text, or not one line of it", async () => {
    const storage = await openNew();
    const saving = (value: object) => storage.save({ ...task("x"), ...value });
    await expect(saving({ big: 1n })).rejects.toMatchObject({ code: "invalid_json" });
    const cycle: Record<string, unknown> = {};
    cycle.cycle = cycle;
    await expect(saving({ cycle })).rejects.toMatchObject({ code: "too_deep" });
    let deep: object = {};
    for (let level = 0; level < 100_000; level += 1) deep = { deep };
    await expect(saving({ deep })).rejects.toMatchObject({ code: "too_deep" });
    const pretty = JSON.stringify(task("x"), null, 2);
    await expect(storage.saveLine(pretty)).rejects.toMatchObject({ code: "invalid_json" });
    await expect(storage.saveLine("")).rejects.toMatchObject({ code: "invalid_json" });
    const lone = JSON.stringify(task("x")).replace("builder", "\ud800");
    await expect(storage.saveLine(lone)).rejects.toMatchObject({ code: "invalid_utf8" });
    expect(await storage.query()).toEqual([]);
  });

  test("asks with every option", async () => {
    const storage = await openNew();
    const context = { tags: ["a", "b"], project_name: "p", session_id: "s", host: "h" };
    const failed = {
      ...DATA.task_completion,
      success: false,
      agent: "other",
      error_message: "No SPACE left",
    };
    await storage.saveMany([
      task("1", "2026-05-01T10:00:00Z", context),
      { ...task("2", "2026-05-02T10:00:00Z"), data: failed },
      {
        pattern_id: "3",
        pattern_type: "agent_usage",
        timestamp: "2026-05-03T10:00:00Z",
        data: { agent_type: "builder", task_type: "t", success: true, duration_ms: 0 },
      },
    ]);
    const find = async (options: Parameters<typeof storage.query>[0]) => ids(await storage.query(options));
    expect(await find({})).toEqual(["3", "2", "1"]);
    expect(await find({ patternType: "task_completion" })).toEqual(["2", "1"]);
    expect(await find({ startDate: new Date("2026-05-02T10:00:00Z") })).toEqual(["3", "2"]);
    expect(await find({ startDate: new Date("2026-05-02T10:00:00.001Z") })).toEqual(["3"]);
    expect(await find({ endDate: new Date("2026-05-02T10:00:00Z") })).toEqual(["2", "1"]);
    expect(await find({ startDate: "2026-05-02T11:00:00+01:00", endDate: "2026-05-02T10:00Z" })).toEqual([
      "2",
    ]);
    expect(await find({ tags: ["b", "a"] })).toEqual(["1"]);
    expect(await find({ tags: ["b", "c"] })).toEqual([]);
    expect(await find({ agent: "builder" })).toEqual(["3", "1"]);
    expect(await find({ project: "p" })).toEqual(["1"]);
    expect(await find({ session: "s" })).toEqual(["1"]);
    expect(await find({ host: "h" })).toEqual(["1"]);
    expect(await find({ success: false })).toEqual(["2"]);
    expect(await find({ success: true })).toEqual(["3", "1"]);
    expect(await find({ where: "data.success=false" })).toEqual(["2"]);
    expect(await find({ where: ["data.success=true", "data.duration_ms=0"] })).toEqual(["3"]);
    expect(await find({ text: "no space" })).toEqual(["2"]);
    expect(await find({ limit: 1 })).toEqual(["3"]);
    expect(await find({ tags: undefined, limit: undefined, success: undefined })).toEqual(["3", "2", "1"]);
    const { patterns, cursor } = await storage.queryPage({ limit: 2 });
    expect(ids(patterns)).toEqual(["3", "2"]);
    expect(await find({ cursor })).toEqual(["1"]);
    expect((await storage.queryPage({ cursor })).cursor).toBeUndefined();
  });

  test("reads a date without zone in this process's", async () => {
    const zone = process.env.TZ;
    onTestFinished(() => {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    });
    process.env.TZ = "Asia/Tokyo";
    const storage = await openNew();
    await storage.saveMany([task("in", "2026-05-01T14:59:59Z"), task("after", "2026-05-01T15:00:00Z")]);
    expect(ids(await storage.query({ endDate: "2026-05-01" }))).toEqual(["in"]);
  });

  test("refuses options that it does not know, or that make no sense", async () => {
    const storage = await openNew();
    const refusal = async (options: object) =>
      storage.query(options).then(
        () => "nothing",
        (error) => [error.code, error.message],
      );
    expect(await refusal({ type: "x" })).toEqual(["bad_request", "unknown parameter type"]);
    expect(await refusal({ startDate: new Date(Number.NaN) })).toEqual([
      "bad_request",
      "startDate: expected a date, got an invalid Date",
    ]);
    for (const options of [
      { endDate: "tomorrow" },
      { limit: 0 },
      { limit: 1.5 },
      { where: "x" },
      { cursor: "?" },
      { success: "no" },
      { tags: "a" },
    ]) {
      expect(await refusal(options)).toEqual([
        "bad_request",
        expect.stringMatching(`^${Object.keys(options)[0]}: `),
      ]);
    }
    await expect(storage.queryPage({ limit: 10_001 })).rejects.toMatchObject({ code: "bad_request" });
  });

  test("streams and answers more than a page holds, once and in order", async () => {
    const storage = await openNew();
    const padding = "x".repeat(1_000);
    const many = Array.from({ length: 12_000 }, (_, n) =>
      task(String(n).padStart(5, "0"), undefined, { padding }),
    );
    await storage.saveMany(many);
    const lines: string[] = [];
    for await (const line of storage.iterateLines()) lines.push(line);
    expect(lines).toEqual(many.map((pattern) => JSON.stringify(pattern)));
    expect(await storage.queryLines()).toEqual(lines.slice(0, 100));
    expect(await storage.queryLines({ limit: 11_000 })).toEqual(lines.slice(0, 11_000));
    const seen: Pattern[] = [];
    for await (const pattern of storage.iterate({ limit: 3 })) seen.push(pattern);
    expect(seen).toEqual(many.slice(0, 3));
  });

  test("keeps the types that are declared, and refuses others", async () => {
    const path = join(newFolder(), "store");
    const storage = await PatternStorage.open({
      backend,
      path,
      types: { nap: { required: { minutes: "integer" } } },
    });
    const nap = {
      pattern_id: "n",
      pattern_type: "nap",
      timestamp: "2026-05-01",
      data: { minutes: 20 },
    } as const;
    expect(await storage.save(nap)).toBe("stored");
    await expect(storage.saveLine(JSON.stringify({ ...nap, data: {} }))).rejects.toMatchObject({
      code: "missing_field",
      path: "data.minutes",
    });
    await storage.close();
    const plain = await PatternStorage.open({ backend, path });
    onTestFinished(() => plain.close());
    expect(await plain.query({ patternType: "nap" })).toEqual([nap]);
    await expect(plain.saveLine(JSON.stringify(nap))).rejects.toMatchObject({ code: "unknown_pattern_type" });
  });

  test("is one writer's, and any reader's", async () => {
    const path = join(newFolder(), "store");
    await expect(PatternStorage.open({ backend, path, readOnly: true })).rejects.toMatchObject({
      code: "store_not_found",
    });
    const writer = await PatternStorage.open({ backend, path });
    await writer.save(task("a"));
    await expect(PatternStorage.open({ backend, path })).rejects.toMatchObject({ code: "store_locked" });
    const reader = await PatternStorage.open({ backend, path, readOnly: true });
    expect(ids(await reader.query())).toEqual(["a"]);
    await expect(reader.save(task("b"))).rejects.toMatchObject({ code: "store_failed" });
    await reader.close();
    await writer.close();
    await writer.close();
    await expect(writer.load("a")).rejects.toMatchObject({ code: "store_closed" });
    {
      await using again = await PatternStorage.open({ backend, path });
      expect(ids(await again.query())).toEqual(["a"]);
    }
    await (await PatternStorage.open({ backend, path })).close();
  });

  test("gives back what it was given, whatever JSON that is", async () => {
    const storage = await openNew();
    await fc.assert(
      fc.asyncProperty(fc.uuid(), fc.dictionary(fc.string(), fc.jsonValue()), async (id, metadata) => {
        const pattern = task(id, "2026-05-01", { metadata });
        await storage.save(pattern);
        expect(await storage.loadLine(id)).toBe(JSON.stringify(pattern));
        expect(await storage.load(id)).toEqual(JSON.parse(JSON.stringify(pattern)));
      }),
      { seed: newSeed(`objects on ${backend}`), numRuns: 100 },
    );
  });
});
