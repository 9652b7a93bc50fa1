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

/** Runs each command, killed at a random moment; how often it was still at work then. */
async function killedAtRandom(
  world: World,
  commands: readonly (readonly string[])[],
  withinMs: number,
  random: () => number,
): Promise<number> {
  let killed = 0;
  for (const args of commands) {
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

    // The same patterns, in whatever form they come next.
    writeFileSync(at("in.json"), `[\n${lines.join(",\n")}\n]\n`);
    const importInto = (path: string, form = "ndjson") => [
      "import",
      at(`in.${form}`),
      "--to",
      `${backend}:${path}`,
    ];
    const importMs = await timed(world.run(importInto(at("trial"))));
    const imports = Array.from({ length: KILLS }, (_, n) =>
      importInto(at("store"), n % 2 ? "json" : "ndjson"),
    );
    let killed = await killedAtRandom(world, imports, importMs, random);
    expect((await world.run(importInto(at("store"), "json"))).status).toBe(0);
    expect(difference(await held(backend, at("store")), lines)).toEqual(NONE);

    const migrateTo = (path: string) => [
      "migrate",
      "--from",
      `${backend}:${at("store")}`,
      "--to",
      `${other}:${path}`,
    ];
    const migrateMs = await timed(world.run(migrateTo(at("trial2"))));
    const migrations = Array.from({ length: KILLS }, () => migrateTo(at("target")));
    killed += await killedAtRandom(world, migrations, migrateMs, random);
    expect((await world.run(migrateTo(at("target")))).status).toBe(0);
    expect(await held(other, at("target"))).toEqual(await held(backend, at("store")));
    expect(killed).toBeGreaterThan(0);
  }, 120_000);
});
