/** `patternd delete-old` and `compress`, by a daemon and without one. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createWorld, emitSettled, errorLine, linesOf, type World } from "./cli-world.ts";

const DAY_MS = 86_400_000;
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString();
const ago = (days: number) => errorLine(`${days} days`, daysAgo(days));

/** A configuration that no schedule disturbs, and what a store of it is given. */
async function filled(
  backend: "filesystem" | "sqlite",
  lines: readonly string[],
): Promise<World & { config: string }> {
  const world = createWorld();
  const config = join(world.folder, "config.json");
  const never = { schedule: "0 0 29 2 *" };
  writeFileSync(config, JSON.stringify({ backend, retention: never, compression: never }));
  const daemon = await world.start("--config", config);
  const { status } = await emitSettled(
    world,
    ["emit", "--config", config],
    lines.map((line) => `${line}\n`).join(""),
  );
  expect(status).toBe(0);
  await daemon.stop();
  return { ...world, config };
}

async function idsIn(world: World & { config: string }): Promise<string[]> {
  const { stdout } = await world.run(["query", "--json", "--config", world.config]);
  return linesOf(stdout).map((line) => JSON.parse(line).pattern_id);
}

describe.each(["filesystem", "sqlite"] as const)("on %s", (backend) => {
  test("without a daemon: a dry run says what would go and changes nothing, then it goes", async () => {
    const world = await filled(backend, [ago(200), ago(200.01), ago(100), ago(89)]);
    const dry = await world.run(["delete-old", "--dry-run", "--config", world.config]);
    expect(dry.stderr).toContain(`no daemon answers; working on ${backend} store`);
    expect(dry.status).toBe(0);
    const days = [daysAgo(200.01), daysAgo(200), daysAgo(100)].map((time) => time.slice(0, 10));
    for (const day of days) expect(dry.stdout).toContain(`${day}`);
    expect(dry.stdout).toContain("error_occurrence");
    expect(dry.stdout).toMatch(/3 patterns would be deleted, about [\d,]+ bytes of [\d,]+/);
    expect(await idsIn(world)).toHaveLength(4);

    const json = await world.run([
      "delete-old",
      "--json",
      "--days",
      "150",
      "--dry-run",
      "--config",
      world.config,
    ]);
    expect(JSON.parse(json.stdout)).toMatchObject({ job: "retention", dry_run: true, patterns: 2 });
    const done = await world.run(["delete-old", "--config", world.config]);
    expect(done.stdout).toMatch(/^3 patterns deleted; the store has [\d,]+ bytes, [\d,]+ before$/m);
    expect(await idsIn(world)).toEqual(["89 days"]);
    const again = await world.run(["delete-old", "--dry-run", "--config", world.config]);
    expect(again.stdout).toBe("nothing is old enough: nothing would be deleted\n");
  });

  test("a dry compression of nothing speaks of the kind of store that it is", async () => {
    const world = await filled(backend, [ago(1)]);
    const dry = async () => (await world.run(["compress", "--dry-run", "--config", world.config])).stdout;
    const words = {
      filesystem: "there are no files to compress\n",
      sqlite: "SQLite has no files to compress; its own housekeeping would run\n",
    };
    expect(await dry()).toBe(words[backend]);
    await world.start("--config", world.config);
    expect(await dry()).toBe(words[backend]);
  });

  test("by a daemon, which goes on", async () => {
    const world = await filled(backend, [ago(200), ago(60), ago(50), ago(1)]);
    const daemon = await world.start("--config", world.config);
    const dry = await world.run(["delete-old", "--dry-run", "--json", "--config", world.config]);
    expect(dry.stderr).toBe("");
    expect(JSON.parse(dry.stdout)).toMatchObject({
      patterns: 1,
      shares: [{ type: "error_occurrence", patterns: 1 }],
    });
    const deleted = await world.run(["delete-old", "--days", "55.5", "--json", "--config", world.config]);
    expect(JSON.parse(deleted.stdout)).toMatchObject({ dry_run: false, patterns: 2 });
    await daemon.logged("job.done");
    const compressed = await world.run(["compress", "--json", "--config", world.config]);
    expect(JSON.parse(compressed.stdout)).toMatchObject({
      job: "compression",
      files: backend === "filesystem" ? 1 : 0,
    });
    expect(await idsIn(world)).toEqual(["1 days", "50 days"]);
    expect(await daemon.stop()).toBe(0);
  });
});

test("compress without a daemon says what it did", async () => {
  const world = await filled("filesystem", [ago(60), ago(1)]);
  const dry = await world.run(["compress", "--dry-run", "--config", world.config]);
  expect(dry.stdout).toContain("1 file would be compressed");
  const done = await world.run(["compress", "--config", world.config]);
  expect(done.stdout).toMatch(/^1 file compressed; /);
  expect(await idsIn(world)).toEqual(["1 days", "60 days"]);
});

test.each(["0", "-1", "ten", "1e3", "36501", ""])("--days %s is refused", async (days) => {
  const world = createWorld();
  const { status, stderr } = await world.run(["delete-old", "--days", days]);
  expect(status).toBe(64);
  expect(stderr).toContain("expected a number above 0");
});

test("a store that is not there is not made", async () => {
  const world = createWorld();
  for (const command of ["delete-old", "compress"]) {
    const { status, stderr } = await world.run([command]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("there is no store")]);
  }
  expect(existsSync(join(world.folder, "state/patternd/patterns"))).toBe(false);
});

test("an import is noted in the store, so that what it brought is announced", async () => {
  const world = createWorld();
  const source = join(world.folder, "source.ndjson");
  writeFileSync(source, `${ago(300)}\n`);
  const { status } = await world.run(["import", source]);
  expect(status).toBe(0);
  const config = join(world.folder, "config", "patternd");
  mkdirSync(config, { recursive: true });
  writeFileSync(join(config, "config.json"), JSON.stringify({ retention: { schedule: "* * * * * *" } }));
  const daemon = await world.start();
  await daemon.logged("retention.planned");
  expect(await daemon.stop()).toBe(0);
  const { stdout } = await world.run(["query", "--json"]);
  expect(linesOf(stdout)).toEqual([ago(300)].map(() => expect.stringContaining("300 days")));
});
