/** The package's command as it is installed: one file for what must start fast, the compiled rest behind it. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { expect, test } from "vitest";
import { createWorld, errorLine, MAIN, type World } from "./cli-world.ts";

const ROOT = new URL("../", import.meta.url);
const manifest = v.parse(
  v.object({ version: v.string(), bin: v.object({ patternd: v.string() }) }),
  JSON.parse(readFileSync(new URL("package.json", ROOT), "utf8")),
);
const BUNDLE = fileURLToPath(new URL(manifest.bin.patternd, ROOT));

function run(world: World, args: readonly string[], input = "", program = BUNDLE) {
  const options = { cwd: world.folder, env: world.env, input, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], options);
  return { status, stdout, stderr };
}

const TASK = ["emit", "--type", "error_occurrence", "error_type=T", "error_message=m"];

test("it emits, with flags and from standard input, and asks the daemon by the other commands", async () => {
  const world = createWorld();
  await world.start();
  expect(run(world, [...TASK, "--id", "one", "--json"])).toEqual({
    status: 0,
    stdout: '{"receipt":{"lines":1,"stored":1,"rejected":0,"not_collected":0}}\n',
    stderr: "",
  });
  const line = errorLine("two", "2026-01-02", { tags: ["x"] });
  const input = `${line}\n{"pattern_id":"three","context":{"a":1}}\n`;
  const { status, stderr } = run(world, ["emit"], input);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^patternd: line 2: missing_field pattern_type: /);
  expect(run(world, ["query", "--tag", "x"])).toEqual({ status: 0, stdout: `${line}\n`, stderr: "" });
});

test("it leaves patterns in the outbox, and exits as every command does", () => {
  const world = createWorld();
  expect(run(world, TASK)).toMatchObject({ status: 0, stdout: "" });
  expect(world.left()).toHaveLength(1);
  expect(run(world, ["emit", "--bogus"])).toMatchObject({ status: 64 });
  expect(run(world, ["emit", "--hook", "--bogus"])).toMatchObject({ status: 0, stdout: "" });
  expect(run(world, ["get", "x"])).toMatchObject({ status: 1 });
  expect(run(world, ["nope"])).toMatchObject({ status: 64 });
});

test.each([["--help"], ["-h"], ["help"], ["--version"], ["emit", "--help"], ["query", "--help"], []])(
  "it answers as the compiled files do: %s",
  (...args) => {
    const world = createWorld();
    expect(run(world, args)).toEqual(run(world, args, "", MAIN));
  },
);

test("for emit it needs nothing but itself", () => {
  const world = createWorld();
  const alone = join(world.folder, "dist", "patternd.cjs");
  mkdirSync(join(world.folder, "dist"));
  copyFileSync(BUNDLE, alone);
  copyFileSync(new URL("package.json", ROOT), join(world.folder, "package.json"));
  const input = '{"pattern_type":"agent_usage","data":{}}\n{"pattern_type":"agent_usage"}\n';
  for (const [args, stdin] of [
    [TASK, ""],
    [["emit"], input],
    [["emit", "--help"], ""],
  ] as const) {
    expect(run(world, args, stdin, alone)).toMatchObject({
      status: 0,
      stderr: expect.not.stringMatching(/Cannot find/),
    });
  }
  expect(world.left()).toHaveLength(3);
});

test("emit loads nothing of Node's crypto, which would take longer than all else", () => {
  const world = createWorld();
  const watcher = join(world.folder, "watcher.cjs");
  const loaded = join(world.folder, "loaded.json");
  writeFileSync(
    watcher,
    `process.on("exit", () => require("node:fs").writeFileSync(${JSON.stringify(loaded)}, JSON.stringify(process.moduleLoadList)));`,
  );
  const ids = [1, 2].map(() => {
    const { status } = spawnSync(process.execPath, ["--require", watcher, BUNDLE, ...TASK], {
      env: world.env,
    });
    expect(status).toBe(0);
    const names: unknown = JSON.parse(readFileSync(loaded, "utf8"));
    expect(names).toContain("NativeModule net");
    expect(names).not.toContain("NativeModule crypto");
    return v.parse(
      v.object({ pattern_id: v.pipe(v.string(), v.uuid()) }),
      JSON.parse(world.left().at(-1) ?? ""),
    );
  });
  expect(ids[0]).not.toEqual(ids[1]);
});

test("it is found through the link that npm makes", () => {
  const world = createWorld();
  const link = join(world.folder, "patternd");
  symlinkSync(BUNDLE, link);
  expect(spawnSync(link, ["--version"], { encoding: "utf8" }).stdout).toBe(`${manifest.version}\n`);
  expect(spawnSync(link, ["check-config"], { env: world.env, encoding: "utf8" }).status).toBe(0);
});
