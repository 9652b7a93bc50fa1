/** The shell's emitter, in every shell that is installed: it must say what `patternd emit` would. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseEmit, patternLine } from "../src/cli/emit-flags.ts";
import { completeLine } from "../src/client/complete.ts";
import { createWorld } from "./cli-world.ts";
import { isThere, repository, run, SCRIPT, SHELLS, TASK, taken } from "./shell-emitter.ts";

const text = fc
  .oneof(
    fc.string({ unit: "grapheme", maxLength: 30 }),
    fc.string({
      unit: fc.constantFrom(
        '"',
        "\\",
        "\n",
        "\t",
        "\r",
        "\b",
        "\f",
        "\x01",
        "\x1f",
        "\x7f",
        "$",
        "`",
        "'",
        "%",
        "é",
        "日",
        "🛒",
        " ",
        "*",
        "a",
      ),
      maxLength: 40,
    }),
    fc.string({ unit: fc.constantFrom('"', "\\", "\n", "a"), minLength: 500, maxLength: 1500 }),
  )
  .filter((value) => !value.includes("\0") && value.isWellFormed());
const key = text.map((value) => value.replace(/^-+|[=]|:+$/g, "")).filter((name) => name !== "");
const json = fc
  .oneof(
    fc.json(),
    fc.constantFrom("12345678901234567890", "1e400", '"\\u0000\\ud800"', '{"a":\n [1,\r\n\t2]}\n'),
  )
  .map((value) => ` ${value} `);
const pair = fc.oneof(
  fc.tuple(key, text).map(([name, value]) => `${name}=${value}`),
  fc.tuple(key, json).map(([name, value]) => `${name}:=${value}`),
);
const flag = fc.oneof(
  fc
    .tuple(fc.constantFrom("id", "timestamp", "tag", "project", "session", "host", "environment"), text)
    .map(([name, value]) => `--${name}=${value}`),
  pair.map((value) => `--context=${value}`),
  pair,
  fc.dictionary(key, json, { maxKeys: 3 }).map((object) => {
    const entries = Object.entries(object).map(([name, value]) => `${JSON.stringify(name)}:${value}`);
    return `--data={${entries.join(",")}}`;
  }),
);
const commandLine = fc
  .tuple(text, fc.array(flag, { maxLength: 6 }))
  .map(([type, flags]) => ["--type", `x${type}`, ...flags])
  // Of a flag that is given twice the last one counts in both; only one of two --data does not matter here.
  .filter((args) => args.filter((arg) => arg.startsWith("--data")).length <= 1);

describe.each(SHELLS)("%s", (shell) => {
  test("the pattern is the one that patternd emit makes of the same flags", async () => {
    const world = createWorld();
    const cwd = repository(world, 'sh"op é', "fix/it's \\ 🛒");
    const about = {
      host: hostname(),
      project_name: 'sh"op é',
      git_branch: "fix/it's \\ 🛒",
      session_id: "s 1",
    };
    await fc.assert(
      fc.asyncProperty(commandLine, async (args) => {
        const { status, stdout, stderr } = run(world, args, { shell, cwd, env: { PATTERND_SESSION: "s 1" } });
        expect([status, stdout, stderr]).toEqual([0, "", ""]);
        const flags = parseEmit(args);
        const line = await completeLine(Buffer.from(patternLine(flags, about)), about);
        const [own, theirs] = [JSON.parse(taken(world.outbox)), JSON.parse(line.toString("utf8"))];
        expect(own).toEqual({
          ...theirs,
          pattern_id: flags.id ?? own.pattern_id,
          timestamp: flags.timestamp ?? own.timestamp,
        });
      }),
      { numRuns: 60, examples: [[["--type", "t"]], [["--type=t", "--data={ }", "a=1", "--", "-b=2"]]] },
    );
  }, 60_000);
});

test("a running daemon takes it in", async () => {
  const world = createWorld();
  const daemon = await world.start();
  expect(run(world, [...TASK, "--id", "one"]).status).toBe(0);
  await daemon.logged("outbox.taken");
  expect((await world.run(["get", "one"])).stdout).toContain('"pattern_id":"one"');
});

test("worktrees, heads that are no branch, and folders that are none", () => {
  const world = createWorld();
  const contextIn = (cwd: string) => {
    run(world, TASK, { cwd });
    const { project_name, git_branch } = JSON.parse(taken(world.outbox)).context;
    return [project_name, git_branch];
  };
  const main = repository(world, "main", "trunk");
  mkdirSync(join(world.folder, "main/.git/worktrees/side"), { recursive: true });
  mkdirSync(join(world.folder, "side"));
  writeFileSync(join(world.folder, "main/.git/worktrees/side/HEAD"), "ref: refs/heads/fix/one\n");
  writeFileSync(join(world.folder, "side/.git"), "gitdir: ../main/.git/worktrees/side\n");
  expect(contextIn(main)).toEqual(["main", "trunk"]);
  expect(contextIn(join(world.folder, "side"))).toEqual(["side", "fix/one"]);
  writeFileSync(join(world.folder, "main/.git/HEAD"), `${"a".repeat(40)}\n`);
  expect(contextIn(main)).toEqual(["main", undefined]);
  rmSync(join(world.folder, "main/.git/HEAD"));
  expect(contextIn(main)).toEqual(["main", undefined]);
  expect(contextIn(world.folder)).toEqual([undefined, undefined]);
});

test.each([
  ["no type", ["a=1"], "--type is missing"],
  ["no pattern", [], "expected a pattern in the flags"],
  ["a pair without =", ["--type", "t", "agent"], "expected key=value or key:=json, got agent"],
  ["a pair without key", ["--type", "t", ":=1"], "expected key=value or key:=json, got :=1"],
  ["data that is no object", ["--type", "t", "--data", "[1]"], "--data: expected a JSON object"],
  ["an unknown flag", ["--typ", "t"], "unknown option --typ"],
  ["an unknown flag at the end", ["--type", "t", "--bogus"], "unknown option --bogus"],
  ["an unknown flag with =", ["--type", "t", "--bogus=1"], "unknown option --bogus"],
  ["a flag without value", ["--type"], "--type: expected a value"],
  ["another source", ["--from", "elsewhere"], "--from: expected claude-code"],
])("wrong usage leaves nothing, says why, and is no failure: %s", (_, args, message) => {
  const world = createWorld();
  const { status, stdout, stderr } = run(world, args);
  expect([status, stdout]).toEqual([0, ""]);
  expect(stderr).toContain(message);
  expect(existsSync(world.outbox)).toBe(false);
});

test("--help is an answer, and names every flag of patternd emit", () => {
  const world = createWorld();
  const { status, stdout, stderr } = run(world, ["--help"]);
  expect([status, stderr]).toEqual([0, ""]);
  for (const [name] of readFileSync(new URL("../src/cli/emit-flags.ts", import.meta.url), "utf8").matchAll(
    /(?<=^ {2})--[a-z-]+/gm,
  )) {
    expect(stdout).toContain(name);
  }
});

test("the outbox is the configuration's, as patternd emit finds it", async () => {
  const world = createWorld();
  const config = join(world.folder, "config/patternd/config.json");
  mkdirSync(join(world.folder, "config/patternd"), { recursive: true });
  for (const [path, folder] of [
    ["~/own box", "own box"],
    ["../box", "config/box"],
    [join(world.folder, "absolute"), "absolute"],
  ]) {
    writeFileSync(
      config,
      JSON.stringify({ path: "/no", outbox: { maxBytes: 1e6, path }, types: { outbox: {} } }),
    );
    run(world, TASK);
    await world.run(["emit", ...TASK]);
    expect(readdirSync(join(world.folder, folder ?? ""))).toHaveLength(2);
  }
});

test.each([
  [0o1730, 0o644],
  [0o700, 0o600],
])("what is left in a folder with mode %o has mode %o: a system daemon is another user", (folder, file) => {
  const world = createWorld();
  mkdirSync(world.outbox, { recursive: true });
  chmodSync(world.outbox, folder);
  run(world, TASK);
  const [name = ""] = readdirSync(world.outbox);
  expect(statSync(join(world.outbox, name)).mode & 0o777).toBe(file);
});

test("a full outbox takes no more, until it is empty", () => {
  const world = createWorld();
  const config = join(world.folder, "config.json");
  writeFileSync(config, '{"outbox":{"maxBytes":8192}}');
  let runs = 0;
  while (!existsSync(join(world.outbox, ".full")) && runs < 1000) {
    runs += 1;
    run(world, [...TASK, "--config", config]);
  }
  const full = run(world, [...TASK, "--config", config]);
  expect(full.status).toBe(0);
  expect(full.stderr).toMatch(/^patternd-emit: the outbox .* is full: the pattern is lost\n$/);
  for (const name of readdirSync(world.outbox))
    if (name.endsWith(".ndjson")) rmSync(join(world.outbox, name));
  expect(run(world, [...TASK, "--config", config]).stderr).toBe("");
  expect(readdirSync(world.outbox).sort()).toEqual([expect.stringMatching(/^0.*\.ndjson$/)]);
}, 60_000);

test("an outbox that can't be written is said, and fails nothing", () => {
  const world = createWorld();
  writeFileSync(join(world.folder, "state"), "a file in the way");
  const { status, stderr } = run(world, TASK);
  expect(status).toBe(0);
  expect(stderr).toMatch(/^patternd-emit: the outbox .* can't be made: the pattern is lost\n$/);
});

test("where there is no /proc, and a date without fractions of seconds, as on macOS", () => {
  const world = createWorld();
  const script = join(world.folder, "emitter");
  writeFileSync(script, readFileSync(SCRIPT, "utf8").replaceAll("/proc/", "/no/such/"));
  const bin = join(world.folder, "bin");
  mkdirSync(bin);
  const date = `#!/bin/sh\nPATH=${world.env.PATH}\nexec date "$(echo "$1" | sed 's/%N/N/')"\n`;
  writeFileSync(join(bin, "date"), date, { mode: 0o700 });
  const env = { ...world.env, PATH: `${bin}:${world.env.PATH}`, TZ: "America/St_Johns" };
  const patterns = [1, 2].map(() => {
    expect(spawnSync("sh", [script, ...TASK], { cwd: world.folder, env, encoding: "utf8" }).stderr).toBe("");
    return JSON.parse(taken(world.outbox));
  });
  expect(patterns[0].pattern_id).not.toBe(patterns[1].pattern_id);
  expect(patterns[0].context).toEqual({ host: hostname() });
  expect(patterns[0].timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-0[23]:30$/);
  expect(Math.abs(Date.parse(patterns[0].timestamp) - Date.now())).toBeLessThan(60_000);
});

test.skipIf(!isThere("shellcheck"))("shellcheck has nothing to say", () => {
  expect(spawnSync("shellcheck", [SCRIPT], { encoding: "utf8" }).stdout).toBe("");
});
