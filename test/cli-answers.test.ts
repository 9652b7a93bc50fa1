/** What every command prints with `--json` is what answers.schema.json says, and its exit status what docs/asking.md says. */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import * as v from "valibot";
import { expect, test } from "vitest";
import { ANSWERS } from "../src/cli/answers.ts";
import { createWorld, emitSettled, errorLine, linesOf, type Run, type World } from "./cli-world.ts";

type Command = keyof typeof ANSWERS;
const COMMANDS = Object.keys(ANSWERS).filter((name): name is Command => Object.hasOwn(ANSWERS, name));
/** Commands whose answer was held against its schema. */
const seen = new Set<Command>();

const words = (command: Command) => (command.startsWith("rejected-") ? command.split("-") : [command]);
const GOOD = errorLine("good", "2026-05-01T10:00:00Z", { secret: "s" });
const WRONG = '{"pattern_id":"wrong","pattern_type":"nope"}';

/** Every object that a run printed. Keys that the schema does not name would be missing in what it makes of them. */
function held(command: Command, { stdout }: Pick<Run, "stdout">): object[] {
  const answer = ANSWERS[command];
  const said = linesOf(stdout).map((line): object => JSON.parse(line));
  if (!("isList" in answer)) expect(said).toHaveLength(1);
  for (const one of said) expect(v.parse(answer.schema, one)).toEqual(one);
  if (said.length > 0) seen.add(command);
  return said;
}

async function answered(world: World, command: Command, args: readonly string[] = [], input = "") {
  const run = await world.run([...words(command), ...args, "--json"], { input });
  return { status: run.status, said: held(command, run), stderr: run.stderr };
}

async function filled(): Promise<World> {
  const world = createWorld();
  const source = join(world.folder, "good.ndjson");
  writeFileSync(source, `${GOOD}\n`);
  expect(await world.run(["import", source])).toMatchObject({ status: 0 });
  return world;
}

test("of a daemon: what was sent, refused and kept, and what becomes of it", async () => {
  const world = createWorld();
  const daemon = await world.start();
  const sent = await emitSettled(world, ["emit", "--json"], `${GOOD}\n`);
  expect([sent.status, held("emit", sent)]).toEqual([
    0,
    [{ receipt: { lines: 1, stored: 1, rejected: 0, not_collected: 0 } }],
  ]);
  const refused = await emitSettled(world, ["emit", "--json"], `${WRONG}\nno json\n`);
  expect([refused.status, held("emit", refused)]).toEqual([
    1,
    [{ receipt: { lines: 2, stored: 0, rejected: 2, not_collected: 0 } }],
  ]);
  const listed = await answered(world, "rejected-list");
  expect(listed).toMatchObject({ status: 0, said: [{ code: "invalid_json" }, { pattern_id: "wrong" }] });
  const [first] = listed.said;
  const record = v.parse(v.object({ record: v.string() }), first).record;
  expect(await answered(world, "rejected-show", [record])).toMatchObject({ status: 0, said: [first] });
  const missing = await world.run(["rejected", "show", "2026-01-01-0123456789", "--json"]);
  expect(missing).toMatchObject({ status: 1, stdout: "" });
  expect(await answered(world, "rejected-replay")).toMatchObject({ status: 1, said: [{ rejected: 2 }] });
  expect(await answered(world, "rejected-purge", ["--yes"])).toMatchObject({
    status: 0,
    said: [{ lines: 2 }],
  });
  expect(await answered(world, "rejected-replay")).toMatchObject({ status: 0, said: [{ lines: 0 }] });

  expect(await answered(world, "stats")).toMatchObject({ status: 0, said: [{ patterns: 1 }] });
  expect(await answered(world, "status")).toMatchObject({ status: 0, said: [{ status: "ready" }] });
  expect(await answered(world, "doctor")).toMatchObject({ status: 0 });
  expect(await answered(world, "analyze", ["--all"])).toMatchObject({ status: 0 });
  expect(await answered(world, "compress")).toMatchObject({ status: 0, said: [{ job: "compression" }] });
  expect(await answered(world, "delete-old", ["--dry-run", "--days", "0.001"])).toMatchObject({
    status: 0,
    said: [{ dry_run: true, patterns: 1 }],
  });
  expect(await answered(world, "forget", ["good", "--yes"])).toMatchObject({
    status: 0,
    said: [{ patterns: 1 }],
  });
  expect(await daemon.stop()).toBe(0);
});

test("without a daemon: what waits in the outbox, and what is done on the store itself", async () => {
  const world = await filled();
  expect(await answered(world, "emit", [], `${GOOD}\n`)).toMatchObject({
    status: 0,
    said: [{ outbox: { lines: 1 } }],
  });
  expect(await answered(world, "delete-old", ["--days", "36500"])).toMatchObject({
    status: 0,
    said: [{ patterns: 0 }],
  });
  expect(await answered(world, "compress", ["--dry-run"])).toMatchObject({ status: 0 });
  expect(await answered(world, "forget", ["good", "--dry-run"])).toMatchObject({
    status: 0,
    said: [{ dry_run: true, patterns: 1 }],
  });
  expect(await answered(world, "stats")).toMatchObject({ status: 0, said: [{ patterns: 1 }] });
});

test("of lines that are only looked at", async () => {
  const world = createWorld();
  expect(await answered(world, "validate", [], `${GOOD}\n`)).toMatchObject({ status: 0, said: [] });
  expect(await answered(world, "validate", [], `${GOOD}\n${WRONG}\nno json\n`)).toMatchObject({
    status: 1,
    said: [
      { reject: { line: 2, code: "unknown_pattern_type", path: "pattern_type", pattern_id: "wrong" } },
      { reject: { line: 3, code: "invalid_json" } },
    ],
  });
});

test("of copies: import, migrate, backup", async () => {
  const world = await filled();
  const source = join(world.folder, "source");
  mkdirSync(source);
  writeFileSync(join(source, "some.ndjson"), `${GOOD}\n${WRONG}\n${errorLine("old", "2020-01-01")}\n`);
  writeFileSync(join(source, "cut.ndjson.gz"), gzipSync(GOOD).subarray(0, 40));
  writeFileSync(join(source, "picture.png"), "no patterns");
  expect(await answered(world, "import", [source])).toMatchObject({
    status: 1,
    said: [
      {
        already_there: 1,
        imported: 1,
        refused: { count: 1 },
        unreadable: { count: 1 },
        passed_over: { count: 1 },
        retention: { keep: { retention: {} } },
      },
    ],
  });
  const from = `filesystem:${join(world.folder, "state/patternd/patterns")}`;
  const to = `sqlite:${join(world.folder, "copy.db")}`;
  const migrated = await answered(world, "migrate", ["--from", from, "--to", to]);
  expect(migrated).toMatchObject({ status: 0, said: [{ patterns: 2, written: 2 }] });
  const lost = await world.run(["migrate", "--from", `${from}/nothing`, "--to", to, "--json"]);
  expect(lost).toMatchObject({ status: 1, stdout: "" });
  const dest = join(world.folder, "backup");
  expect(await answered(world, "backup", [dest])).toMatchObject({ status: 0, said: [{ patterns: 2 }] });
  expect(await world.run(["backup", dest, "--json"])).toMatchObject({ status: 1, stdout: "" });
});

test("of a store that is not whole, and of its repair", async () => {
  const world = await filled();
  const segment = join(world.folder, "state/patternd/patterns/2026/05/01/error_occurrence.ndjson");
  appendFileSync(segment, "no pattern\n");
  expect(await answered(world, "check-store")).toMatchObject({
    status: 1,
    said: expect.arrayContaining([{ checked: expect.objectContaining({ patterns: 1 }) }]),
  });
  const repaired = await answered(world, "check-store", ["--repair"]);
  expect(repaired.status).toBe(0);
  expect(new Set(repaired.said.flatMap(Object.keys))).toEqual(new Set(["finding", "checked", "repaired"]));
});

test("3 where a daemon is named that is not there, and nothing is printed; but emit and doctor go on", async () => {
  const world = await filled();
  const asking: readonly (readonly [Command, ...string[]])[] = [
    ["analyze"],
    ["compress"],
    ["delete-old"],
    ["forget", "good", "--yes"],
    ["rejected-list"],
    ["rejected-show", "2026-01-01-0123456789"],
    ["rejected-replay"],
    ["rejected-purge", "--yes"],
    ["stats"],
    ["status"],
  ];
  const socket = join(world.folder, "no.sock");
  for (const [command, ...args] of asking) {
    const run = await world.run([...words(command), ...args, "--json", "--socket", socket]);
    expect([command, run.status, run.stdout]).toEqual([command, 3, ""]);
  }
  expect(await answered(world, "emit", ["--socket", socket], GOOD)).toMatchObject({
    status: 0,
    said: [{ outbox: { lines: 1 } }],
  });
  expect(await answered(world, "doctor", ["--socket", socket])).toMatchObject({
    status: 1,
    said: expect.arrayContaining([expect.objectContaining({ outcome: "trouble" })]),
  });
});

test("64 for wrong usage, and nothing is printed", async () => {
  const world = createWorld();
  for (const command of COMMANDS) {
    const run = await world.run([...words(command), "--json", "--no-such-flag"]);
    expect([command, run.status, run.stdout]).toEqual([command, 64, ""]);
  }
});

test("every command's answer was held against its schema", () => {
  expect([...seen].sort()).toEqual([...COMMANDS].sort());
});
