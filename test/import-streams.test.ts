/** What is read once, and what grows while it is read. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import * as v from "valibot";
import { expect, test } from "vitest";
import { createWorld, errorLine, linesOf, type World } from "./cli-world.ts";
import { MOAI } from "./moai.ts";

const listed = v.object({ count: v.number(), first: v.array(v.record(v.string(), v.unknown())) });
const summarySchema = v.looseObject({
  imported: v.number(),
  refused: listed,
  unreadable: listed,
  passed_over: listed,
  kept_in: v.optional(v.string()),
});

async function imported(world: World, source: string, input: string | Buffer = "") {
  const { status, stdout } = await world.run(["import", source, "--json"], { input });
  return { status, ...v.parse(summarySchema, JSON.parse(stdout)) };
}

const LINES = ["c", "b", "a"].map((id, n) => errorLine(id, `2026-05-0${3 - n}T10:00:00Z`));
const NDJSON = `${LINES.join("\n")}\n`;
const FORMS = [
  ["NDJSON", NDJSON],
  ["packed NDJSON", gzipSync(NDJSON)],
  ["a list", `[${LINES.join(",")}]`],
  ["a packed list", gzipSync(`[${LINES.join(",")}]`)],
] as const;

test.each(FORMS)(
  "%s comes whole through a pipe with a name, and through standard input",
  async (_, content) => {
    const world = createWorld();
    const pipe = join(world.folder, "pipe");
    const file = join(world.folder, "content");
    execFileSync("mkfifo", [pipe]);
    writeFileSync(file, content);
    const writer = spawn("sh", ["-c", 'cat "$1" > "$2"', "sh", file, pipe]);
    try {
      expect(await imported(world, pipe)).toMatchObject({ status: 0, imported: 3 });
    } finally {
      writer.kill();
    }
    expect(linesOf((await world.run(["export"])).stdout)).toEqual(LINES);
    const again = { status: 0, imported: 0, already_there: 3 };
    expect(await imported(world, "-", Buffer.from(content))).toMatchObject(again);
  },
);

test("standard input that ends in damage gives what stands before, a database nothing", async () => {
  const world = createWorld();
  const cut = gzipSync(`${LINES[0]}\n`.repeat(1000)).subarray(0, -9);
  const summary = await imported(world, "-", cut);
  expect(summary).toMatchObject({ status: 1, imported: 1, unreadable: { count: 1 } });
  const database = await world.run(["import", "-"], { input: readFileSync(MOAI.sqlite) });
  expect(database.status).toBe(1);
  expect(database.stderr).toContain("a database has to be a file");
});

test("a folder that holds what the import itself writes comes to an end", async () => {
  const world = createWorld();
  const state = join(world.folder, "state/patternd");
  mkdirSync(join(state, "a"), { recursive: true });
  mkdirSync(join(state, "rejected"));
  writeFileSync(join(state, "a/wrong.ndjson"), '{"no":"pattern"}\n'.repeat(3));
  writeFileSync(join(state, "rejected/2026-05-01.ndjson"), '{"of":"an earlier day"}\n');
  // By another path than the one that it is written by.
  const link = join(world.folder, "link");
  symlinkSync(state, link);
  const { status, refused, passed_over, kept_in = "" } = await imported(world, link);
  expect({ status, refused: refused.count }).toEqual({ status: 1, refused: 4 });
  expect(linesOf(readFileSync(kept_in, "utf8"))).toHaveLength(4);
  expect(passed_over.first.map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/^\S+\/link\/rejected\/imports-\S+ is where this import keeps what it refuses$/),
  );
});
