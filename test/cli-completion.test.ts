/** What shells are told by `patternd completion`. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { createWorld, linesOf } from "./cli-world.ts";

const isInstalled = (program: string) => spawnSync(program, ["--version"]).error === undefined;

test("bash completes commands, subcommands, flags and choices", async () => {
  const world = createWorld();
  const { status, stdout } = await world.run(["completion", "bash"]);
  expect(status).toBe(0);
  const completed = (...words: string[]) => {
    const script = `${stdout}
COMP_WORDS=(patternd ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}; _patternd
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout: replies, stderr } = spawnSync("bash", ["--norc"], { input: script, encoding: "utf8" });
    expect(stderr).toBe("");
    return linesOf(replies);
  };
  expect(completed("sta")).toEqual(["start", "stats", "status"]);
  expect(completed("rejected", "re")).toEqual(["replay"]);
  expect(completed("query", "--a")).toEqual(["--agent"]);
  expect(completed("tail", "--json", "--fol")).toEqual(["--follow"]);
  expect(completed("export", "--format", "")).toEqual(["ndjson", "csv"]);
});

test.each(["zsh", "fish"])("%s is told every command and flag", async (shell) => {
  const { status, stdout } = await createWorld().run(["completion", shell]);
  expect(status).toBe(0);
  for (const word of ["query", "tail", "status", "doctor", "check-store", "agent", "follow"])
    expect(stdout).toContain(word);
  if (isInstalled(shell)) expect(spawnSync(shell, ["-n"], { input: stdout }).status).toBe(0);
});

test("an unknown shell is wrong usage", async () => {
  expect(await createWorld().run(["completion", "tcsh"])).toMatchObject({ status: 64, stdout: "" });
});
