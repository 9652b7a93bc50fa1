import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { PatternStorage, type TaskCompletionPattern } from "../src/index.ts";

const TASK: TaskCompletionPattern = {
  pattern_id: "a",
  pattern_type: "task_completion",
  timestamp: "2026-05-01",
  data: { task_type: "refactoring", agent: "builder", duration_ms: 1, success: true },
};

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "patternd-library-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("a pattern that the store refuses is told from a store that fails", async () => {
  const path = join(newFolder(), "store");
  await using storage = await PatternStorage.open({ path, durability: "os", timezone: "UTC" });
  mkdirSync(join(path, "2026/05/01/task_completion.ndjson"), { recursive: true });
  const refused = { name: "PatternError", code: "not_storable", patternId: "a" };
  await expect(storage.save(TASK)).rejects.toMatchObject({ ...refused, index: undefined });
  await expect(
    storage.saveMany([
      { ...TASK, timestamp: "2026-05-02" },
      { ...TASK, pattern_id: "b" },
    ]),
  ).rejects.toMatchObject({ ...refused, patternId: "b", index: 1 });
  expect([await storage.load("a"), await storage.load("b")]).toEqual([undefined, undefined]);
});

describe("opening", () => {
  const refusal = (options: object) =>
    PatternStorage.open(Object.assign({ path: join(newFolder(), "store") }, options)).then(
      () => "nothing",
      (error) => [error.code, error.message],
    );

  test("names every option that is wrong", async () => {
    expect(await refusal({ backend: "postgres" })).toEqual([
      "backend_unknown",
      'backend: expected one of filesystem, sqlite, got "postgres"',
    ]);
    expect(await refusal({ path: "", readonly: true, durability: "none", timezone: "Mars/Olympus" })).toEqual(
      [
        "bad_request",
        [
          "readonly: unknown key, did you mean readOnly?",
          'path: expected a path, got ""',
          'durability: expected one of fsync, os, got "none"',
          'timezone: expected an IANA zone, such as "Europe/Berlin" or "UTC", got "Mars/Olympus"',
        ].join("\n"),
      ],
    );
    expect(await refusal({ types: { nap: { required: { minutes: "int" } } } })).toEqual([
      "bad_request",
      'types.nap.required.minutes: expected one of string, integer, number, boolean, list, object, got "int"',
    ]);
    expect((await refusal({ types: { task_completion: { required: {} } } }))[0]).toBe("bad_request");
  });

  test("keeps its path when the working directory changes", async () => {
    const [first, second] = [newFolder(), newFolder()];
    const before = process.cwd();
    onTestFinished(() => process.chdir(before));
    process.chdir(first);
    const storage = await PatternStorage.open({ path: "store" });
    process.chdir(second);
    await storage.save(TASK);
    expect(await storage.query()).toEqual([TASK]);
    await storage.close();
    expect([existsSync(join(first, "store")), existsSync(join(second, "store"))]).toEqual([true, false]);
  });
});
