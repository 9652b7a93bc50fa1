/** `bin/patternd-emit` in the shells that are installed. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { World } from "./cli-world.ts";

export const SCRIPT = fileURLToPath(new URL("../bin/patternd-emit", import.meta.url));
export const FIXTURES = new URL("fixtures/claude-code/", import.meta.url);
export const isThere = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
export const SHELLS = ["sh", "dash", "bash --posix", "busybox sh"].filter((shell) =>
  isThere(shell.split(" ")[0] ?? ""),
);
export const TASK = [
  "--type",
  "agent_usage",
  "agent_type=a",
  "task_type=b",
  "success:=true",
  "duration_ms:=1",
];

interface Options {
  readonly shell?: string;
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly input?: string | Buffer;
}

export function run(
  world: World,
  args: readonly string[],
  { shell = "sh", cwd, env, input = "" }: Options = {},
) {
  const [program = "", ...flags] = shell.split(" ");
  const { status, stdout, stderr } = spawnSync(program, [...flags, SCRIPT, ...args], {
    cwd: cwd ?? world.folder,
    env: { ...world.env, ...env },
    input,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

/** The one line that a run left, which is taken out of the outbox. */
export function taken(outbox: string): string {
  const names = readdirSync(outbox);
  expect(names).toEqual([
    expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.ndjson$/),
  ]);
  const file = join(outbox, names[0] ?? "");
  const text = readFileSync(file, "utf8");
  rmSync(file);
  expect(text.endsWith("\n")).toBe(true);
  expect(text.slice(0, -1)).not.toMatch(/[\r\n]/);
  return text.slice(0, -1);
}

export function repository(world: World, name: string, branch: string): string {
  const folder = join(world.folder, name);
  mkdirSync(join(folder, ".git"), { recursive: true });
  mkdirSync(join(folder, "deep"));
  writeFileSync(join(folder, ".git/HEAD"), `ref: refs/heads/${branch}\n`);
  return join(folder, "deep");
}
