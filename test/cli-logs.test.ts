/** `patternd logs` finds the log where the daemon has it, though systemd tells only the daemon where that is. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createWorld, MAIN, type World } from "./cli-world.ts";
import { hasOwnDisks } from "./process/daemon.ts";

const LINE = '{"level":"info","time":"2026-11-25T23:48:25.668Z","event":"backend.recovered"}\n';
const SHORT = "2026-11-25 23:48:25Z info  backend.recovered\n";

/** Resolves to the folder of the configuration. */
function configured(world: World, file: string): string {
  const folder = join(world.env.XDG_CONFIG_HOME ?? "", "patternd");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify({ log: { file } }));
  return folder;
}

test("beside the configuration, where nobody says otherwise", async () => {
  const world = createWorld();
  writeFileSync(join(configured(world, "patternd.log"), "patternd.log"), LINE);
  expect(await world.run(["logs"])).toEqual({ status: 0, stdout: SHORT, stderr: "" });
});

test.skipIf(!hasOwnDisks)("(skipped where nothing can be mounted) in the system daemon's folder", () => {
  const world = createWorld();
  configured(world, "patternd.log");
  const inside = [
    "mount -t tmpfs tmpfs /var/log",
    "mkdir /var/log/patternd",
    'printf %s "$LINE" > /var/log/patternd/patternd.log',
    'exec "$@"',
  ].join(" && ");
  const { status, stdout, stderr } = spawnSync(
    "unshare",
    ["-Urm", "sh", "-c", inside, "sh", process.execPath, MAIN, "logs"],
    { encoding: "utf8", env: { ...world.env, LINE } },
  );
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: SHORT, stderr: "" });
});

test("who follows may come before the daemon", async () => {
  const world = createWorld();
  const folder = configured(world, "late.log");
  const following = spawn(process.execPath, [MAIN, "logs", "-f"], { env: world.env });
  onTestFinished(() => void following.kill());
  const [said] = await once(following.stderr, "data");
  // tail may have said something by then, too.
  const [first] = String(said).split("\n");
  expect(first).toBe(
    `patternd: there is no ${folder}/late.log; there is no /var/log/patternd/late.log: waiting`,
  );
  writeFileSync(join(folder, "late.log"), LINE);
  const [line] = await once(following.stdout, "data");
  expect(String(line)).toBe(SHORT);
});

/** A journal that prints this. */
function journal(world: World, text: string): Record<string, string> {
  const programs = join(world.folder, "programs");
  mkdirSync(programs);
  writeFileSync(join(programs, "journalctl"), `#!/bin/sh\nprintf '%s' '${text}'\n`, { mode: 0o755 });
  return { PATH: `${programs}:${world.env.PATH}` };
}

test.each(["", "-- No entries --\n"])("a journal that says %j has nothing, which is said", async (text) => {
  const world = createWorld();
  const env = journal(world, text);
  const { status, stdout, stderr } = await world.run(["logs"], { env });
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  expect(stderr).toMatch(/^patternd: the journal has nothing of patternd\.service/);
  expect(stderr).toContain("logs --user");
  expect(stderr).toContain("its own terminal");
  expect((await world.run(["logs", "--user"], { env })).stderr).not.toContain("logs --user");
});

test("a journal that has something is all that is said", async () => {
  const world = createWorld();
  expect(await world.run(["logs"], { env: journal(world, LINE) })).toEqual({
    status: 0,
    stdout: SHORT,
    stderr: "",
  });
});

test("without a journal, it is said where the log may be", async () => {
  const world = createWorld();
  const { status, stderr } = await world.run(["logs"], { env: { PATH: "/nonexistent" } });
  expect(status).toBe(1);
  expect(stderr).toContain("can't run journalctl");
  expect(stderr).toContain("its own terminal");
});

test("a log that is nowhere is said to be", async () => {
  const world = createWorld();
  const folder = configured(world, "no-such.log");
  const { status, stdout, stderr } = await world.run(["logs"]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  const places = `there is no ${folder}/no-such.log; there is no /var/log/patternd/no-such.log`;
  expect(stderr).toContain(`can't read the log: ${places}\n`);
  expect(stderr).toContain("patternd logs FILE");
  expect((await world.run(["logs", "/no/such"])).stderr).toContain("there is no /no/such\n");
});
