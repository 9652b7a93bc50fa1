/** Where the shell's emitter looks for its configuration and leaves patterns: where `patternd emit` does. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { createWorld } from "./cli-world.ts";
import { run, SHELLS, TASK, taken } from "./shell-emitter.ts";

const EXAMPLE = fileURLToPath(new URL("../config.example.json", import.meta.url));
/** A UTF-16 unit as `json.dump` writes it. */
const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

describe.each(SHELLS)("%s", (shell) => {
  test("the example of a configuration, in which null is no path, leaves the outbox where it is", () => {
    const world = createWorld();
    const config = join(world.folder, "config/patternd");
    mkdirSync(config, { recursive: true });
    copyFileSync(EXAMPLE, join(config, "config.json"));
    expect(run(world, TASK, { shell }).stderr).toBe("");
    expect(JSON.parse(taken(world.outbox)).pattern_type).toBe("agent_usage");
  });

  test.each([
    ["small", escaped],
    ["capital", (unit: string) => escaped(unit).toUpperCase().replace("U", "u")],
    ["the least", (unit: string) => unit],
  ])("a path in the configuration may be written with %s escapes", (_, write) => {
    const world = createWorld();
    const config = join(world.folder, "config.json");
    const name = 'o"b\\\\u00 $x`ö日🛒\u07ff\u0800\ufffd\u{10000}';
    const path = JSON.stringify(`${name}/box`)
      .replaceAll(/[^ -~]/g, write)
      .replace("/", "\\/");
    writeFileSync(config, `{"outbox":{"path":${path}}}`);
    expect(run(world, [...TASK, "--config", config], { shell }).stderr).toBe("");
    expect(readdirSync(join(world.folder, name, "box"))).toHaveLength(1);
  });

  test("a path that it can't follow is said, and nothing is left elsewhere", () => {
    const world = createWorld();
    const config = join(world.folder, "config.json");
    writeFileSync(config, JSON.stringify({ outbox: { path: "line\nbreak" } }));
    expect(run(world, [...TASK, "--config", config], { shell })).toEqual({
      status: 0,
      stdout: "",
      stderr: `patternd-emit: outbox.path in ${config} has control characters: the pattern is lost\n`,
    });
    expect(existsSync(world.outbox)).toBe(false);
  });

  test.each([
    ["--config", "/nope", ""],
    ["$PATTERND_CONFIG", "", "/nope"],
    ["both", "/nope", "/other"],
  ])("a configuration that is not there is said as patternd emit says it: %s", async (_, flag, variable) => {
    const world = createWorld();
    const args = flag === "" ? TASK : [...TASK, "--config", flag];
    const env = { PATTERND_CONFIG: variable };
    const said = "there is no configuration file /nope: the defaults are used\n";
    const { status, stderr } = run(world, args, { shell, env });
    expect([status, stderr]).toEqual([0, `patternd-emit: ${said}`]);
    taken(world.outbox);
    const theirs = await world.run(["emit", ...args], { env });
    expect(theirs.status).toBe(0);
    expect(theirs.stderr).toBe(
      `patternd: ${said}patternd: no daemon answers; 1 pattern waits in the outbox ${world.outbox}\n`,
    );
    taken(world.outbox);
  });

  // The outbox is in a folder that is not to be made: this user's real home stays as it is.
  test.each([
    ["-u HOME", "", userInfo().homedir],
    ["HOME=", "", userInfo().homedir],
    ["HOME=relative", "", userInfo().homedir],
    ["-u HOME", "#!/bin/sh\nexit 1\n", ""],
    ["-u HOME", "#!/bin/sh\necho patternd-nobody\n", ""],
    ["-u HOME", "#!/bin/sh\necho '; echo root'\n", ""],
  ])("without a home folder in $HOME it is the user database's: env %s, id %j", (env, id, home) => {
    const world = createWorld();
    const bin = join(world.folder, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "mkdir"), "#!/bin/sh\nexit 1\n", { mode: 0o700 });
    if (id !== "") writeFileSync(join(bin, "id"), id, { mode: 0o700 });
    const name = basename(world.folder);
    const config = join(world.folder, "config.json");
    writeFileSync(config, JSON.stringify({ outbox: { path: `~/${name}/box` } }));
    const { stderr } = run(world, [...TASK, "--config", config], {
      shell: `env ${env} ${shell}`,
      env: { PATH: `${bin}:${world.env.PATH}` },
    });
    const outbox = `${home}/${name}/box`;
    expect(stderr).toBe(`patternd-emit: the outbox ${outbox} can't be made: the pattern is lost\n`);
  });
});
