/** `patternd import` killed at the points where its work is half done, and run again. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { createWorld, linesOf, MAIN, type World } from "../cli-world.ts";
import { BACKENDS } from "./daemon.ts";
import { taskLine, taskLines } from "./patterns.ts";

const PRELOAD = fileURLToPath(new URL("kill-at.mjs", import.meta.url));
/** Two batches, each of ten days. */
const LINES = 6_000;
const DAYS = 10;

interface Point {
  readonly call: "writeSync" | "fdatasyncSync" | "fsyncSync" | "renameSync" | "run" | "print";
  readonly of: string;
  readonly when: "before" | "half" | "after";
  readonly nth?: number;
  readonly since?: string;
}

const SEGMENT = "/store/.*\\.ndjson$";
const KEPT = "/rejected/imports-";
const INSERT = "INSERT INTO patterns ";
const POINTS: Record<(typeof BACKENDS)[number], Record<string, Point>> = {
  filesystem: {
    "the store is about to be there": { call: "renameSync", of: "/store\\.json$", when: "before" },
    "the store is just there": { call: "renameSync", of: "/store\\.json$", when: "after" },
    "half of a file is written": { call: "writeSync", of: SEGMENT, when: "half" },
    "half of a batch's files are written": { call: "writeSync", of: SEGMENT, when: "half", nth: DAYS / 2 },
    "a batch is written, and not durable": { call: "fdatasyncSync", of: SEGMENT, when: "before" },
    "half of a batch is durable": { call: "fdatasyncSync", of: SEGMENT, when: "after", nth: DAYS / 2 },
    "one batch is done": { call: "writeSync", of: SEGMENT, when: "before", nth: DAYS + 1 },
    "all batches are done": { call: "fsyncSync", of: KEPT, when: "before" },
  },
  sqlite: {
    "half of a batch is inserted": { call: "run", of: INSERT, when: "after", nth: 2_500 },
    "a batch is about to be committed": { call: "run", of: "^COMMIT", since: INSERT, when: "before" },
    "one batch is committed": { call: "run", of: "^COMMIT", since: INSERT, when: "after" },
    "half of the second batch is inserted": { call: "run", of: INSERT, when: "after", nth: 5_500 },
    "all batches are committed": { call: "run", of: "^COMMIT", since: INSERT, when: "after", nth: 2 },
  },
};
const ANYWHERE: Record<string, Point> = {
  "half of a refused record is kept": { call: "writeSync", of: KEPT, when: "half", nth: 2 },
  "all but the summary is done": { call: "print", of: "imported", when: "before" },
};

/** With records that are refused, and some that have the id of another one. */
function source(): string {
  const lines = taskLines(LINES);
  const clash = (n: number) => taskLine({ id: JSON.parse(lines[n] ?? "").pattern_id, task: `other ${n}` });
  lines.splice(100, 0, "not json", clash(5));
  lines.splice(5_500, 0, '{"pattern_id":5}', clash(5_100), clash(99), clash(99));
  return lines.map((line) => `${line}\n`).join("");
}

async function killedAt(world: World, args: readonly string[], point: Point): Promise<string | null> {
  const env = { ...world.env, PATTERND_KILL_AT: JSON.stringify(point) };
  const child = spawn(process.execPath, ["--import", PRELOAD, MAIN, ...args], { env, stdio: "ignore" });
  await once(child, "close");
  return child.signalCode;
}

describe.each(BACKENDS)("import into %s, killed when", (backend) => {
  const text = source();

  async function held(world: World): Promise<string[]> {
    const config = join(world.folder, "config.json");
    writeFileSync(config, JSON.stringify({ backend, path: join(world.folder, "store") }));
    return linesOf((await world.run(["export", "--config", config])).stdout);
  }

  function argsIn(world: World): string[] {
    const file = join(world.folder, "in.ndjson");
    writeFileSync(file, text);
    return ["import", file, "--json", "--to", `${backend}:${join(world.folder, "store")}`];
  }

  let undisturbed: Promise<string[]> | undefined;
  async function importedAtOnce(): Promise<string[]> {
    const world = createWorld();
    expect((await world.run(argsIn(world))).status).toBe(1);
    return held(world);
  }

  test.each(Object.entries({ ...POINTS[backend], ...ANYWHERE }))(
    "%s",
    async (_, point) => {
      undisturbed ??= importedAtOnce();
      const wanted = await undisturbed;
      expect(wanted).toHaveLength(LINES + 3);
      const world = createWorld();
      const args = argsIn(world);
      expect(await killedAt(world, args, point), "the point was not reached").toBe("SIGKILL");

      const { status, stdout } = await world.run(args);
      const { records, imported, already_there, refused, kept_in } = JSON.parse(stdout);
      expect({ status, records, refused: refused.count }).toEqual({
        status: 1,
        records: LINES + 6,
        refused: 2,
      });
      expect(imported + already_there).toBe(LINES + 4);
      const stored = await held(world);
      expect(stored.length).toBe(wanted.length);
      expect(stored.filter((line, n) => line !== wanted[n]).length, "lines that differ").toBe(0);
      expect(linesOf(readFileSync(kept_in, "utf8")).map((line) => JSON.parse(line).code)).toEqual([
        "invalid_json",
        "missing_field",
      ]);
    },
    60_000,
  );
});
