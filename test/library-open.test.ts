import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { migrate, PatternStorage, type TaskCompletionPattern } from "../src/index.ts";

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
      'backend: expected one of filesystem, sqlite, daemon, got "postgres"',
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

test("arguments that TypeScript would not let through are named", async () => {
  const path = join(newFolder(), "store");
  const bad = (message: string) => ({
    code: "bad_request",
    message,
    hint: expect.stringContaining("docs/library.md"),
  });
  await expect(PatternStorage.open(JSON.parse("{}"))).rejects.toMatchObject(
    bad("path: expected a path, got nothing"),
  );
  await expect(migrate(JSON.parse("{}"), { path })).rejects.toMatchObject(
    bad("path: expected a path, got nothing"),
  );
  await expect(migrate({ path }, JSON.parse('{"path":"x","backend":"pg"}'))).rejects.toMatchObject({
    code: "backend_unknown",
  });
  for (const backend of ["filesystem", "sqlite"] as const) {
    await using storage = await PatternStorage.open({ backend, path });
    await expect(storage.saveMany(JSON.parse("{}"))).rejects.toMatchObject(
      bad("expected a list of patterns"),
    );
    await expect(storage.load(JSON.parse("5"))).rejects.toMatchObject(bad("id: expected text, got 5"));
    await expect(storage.saveLine(JSON.parse("{}"))).rejects.toMatchObject(
      bad("line: expected text, got an object"),
    );
    await expect(storage.query(JSON.parse("null"))).rejects.toMatchObject(
      bad("expected an object, got null"),
    );
    await expect(storage.query(JSON.parse('{"tags":"x"}'))).rejects.toMatchObject({
      code: "bad_request",
      message: "tags: expected a list of texts",
    });
  }
});

test("a store that is open for reading only says how to write to it", async () => {
  const path = join(newFolder(), "store");
  await (await PatternStorage.open({ path })).close();
  await using storage = await PatternStorage.open({ path, readOnly: true });
  await expect(storage.save(TASK)).rejects.toMatchObject({
    code: "store_failed",
    hint: "Open the store without readOnly to write to it.",
  });
});

test("a file in the place of a store of files is told to be one", async () => {
  const path = join(newFolder(), "store.db");
  await (await PatternStorage.open({ backend: "sqlite", path })).close();
  for (const readOnly of [true, false]) {
    const message = `${path} is a file; a filesystem store is a folder`;
    await expect(PatternStorage.open({ path, readOnly })).rejects.toMatchObject({
      code: "store_foreign",
      message,
    });
  }
});

test("migrate takes a store of files where no backend is said, as open does", async () => {
  const [path, copy] = [join(newFolder(), "store"), join(newFolder(), "copy")];
  const storage = await PatternStorage.open({ path });
  await storage.save(TASK);
  await storage.close();
  expect(await migrate({ path }, { path: copy })).toMatchObject({ patterns: 1, written: 1 });
});
