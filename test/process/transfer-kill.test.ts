import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { createWorld, linesOf, MAIN, type World } from "../cli-world.ts";
import { BACKENDS } from "./daemon.ts";
import { difference, NONE, newSeed, seeded, taskLines } from "./patterns.ts";

const LINES = 6_000;
const KILLS = 5;

/** Runs the command again and again, killed at a random moment each time; how often it was still at work then. */
async function killedAtRandom(
  world: World,
  args: readonly string[],
  withinMs: number,
  random: () => number,
): Promise<number> {
  let killed = 0;
  for (let round = 0; round < KILLS; round += 1) {
    const child = spawn(process.execPath, [MAIN, ...args], { env: world.env, stdio: "ignore" });
    const over = once(child, "close");
    const killer = after(random() * withinMs, undefined, { ref: false }).then(() => child.kill("SIGKILL"));
    await over;
    if (child.signalCode === "SIGKILL") killed += 1;
    await killer;
  }
  return killed;
}

async function timed(work: Promise<{ status: number | null }>): Promise<number> {
  const start = performance.now();
  expect((await work).status).toBe(0);
  return performance.now() - start;
}

describe.each(BACKENDS)("killed at any moment and run again, into %s", (backend) => {
  const other = backend === "sqlite" ? "filesystem" : "sqlite";

  test("import and migrate are whole", async () => {
    const random = seeded(newSeed("transfer"));
    const world = createWorld();
    const at = (name: string) => join(world.folder, name);
    const lines = taskLines(LINES);
    writeFileSync(at("in.ndjson"), lines.map((line) => `${line}\n`).join(""));
    const held = async (kind: string, path: string) => {
      writeFileSync(at("config.json"), JSON.stringify({ backend: kind, path }));
      return linesOf((await world.run(["export", "--config", at("config.json")])).stdout);
    };

    const importInto = (path: string) => ["import", at("in.ndjson"), "--to", `${backend}:${path}`];
    const importMs = await timed(world.run(importInto(at("trial"))));
    let killed = await killedAtRandom(world, importInto(at("store")), importMs, random);
    expect((await world.run(importInto(at("store")))).status).toBe(0);
    expect(difference(await held(backend, at("store")), lines)).toEqual(NONE);

    const migrateTo = (path: string) => [
      "migrate",
      "--from",
      `${backend}:${at("store")}`,
      "--to",
      `${other}:${path}`,
    ];
    const migrateMs = await timed(world.run(migrateTo(at("trial2"))));
    killed += await killedAtRandom(world, migrateTo(at("target")), migrateMs, random);
    expect((await world.run(migrateTo(at("target")))).status).toBe(0);
    expect(await held(other, at("target"))).toEqual(await held(backend, at("store")));
    expect(killed).toBeGreaterThan(0);
  }, 120_000);
});
