/** `patternd forget`: what is forgotten is in no file of ours any more, and does not come back. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import { createWorld, emitSettled, errorLine, linesOf, type World } from "./cli-world.ts";

const SECRET = "swordfish-7b1c";
const line = (id: string, more: object = {}) =>
  errorLine(id, "2026-11-20T10:00:00Z", { secret: SECRET, ...more });
const text = (...lines: string[]) => lines.map((one) => `${one}\n`).join("");

function configured(backend: string): World & { config: string; state: string } {
  const world = createWorld();
  const config = join(world.folder, "config.json");
  const never = { schedule: "0 0 29 2 *" };
  writeFileSync(
    config,
    JSON.stringify({ backend, retention: never, compression: { ...never, afterDays: 0 } }),
  );
  return { ...world, config, state: join(world.folder, "state", "patternd") };
}

/** The files below the state folder that hold the secret. */
function holding({ state }: { state: string }): string[] {
  return readdirSync(state, { recursive: true, encoding: "utf8" }).filter((name) => {
    const path = join(state, name);
    if (!statSync(path).isFile()) return false;
    const bytes = readFileSync(path);
    return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).includes(SECRET);
  });
}

async function idsIn(world: World & { config: string }): Promise<string[]> {
  const { stdout } = await world.run(["query", "--json", "--config", world.config]);
  return linesOf(stdout).map((one) => JSON.parse(one).pattern_id);
}

function keepAside(folder: string, ...lines: string[]): string {
  mkdirSync(join(folder, ".aside"), { recursive: true, mode: 0o700 });
  const file = join(folder, ".aside", "something");
  writeFileSync(file, text(...lines));
  return file;
}

describe.each(["filesystem", "sqlite"] as const)("on %s", (backend) => {
  test("by a daemon: ids, in compressed days, rejected lines and what was kept aside", async () => {
    const world = configured(backend);
    const daemon = await world.start("--config", world.config);
    const refused = JSON.stringify({ pattern_id: "a", pattern_type: "no_such_type", secret: SECRET });
    await emitSettled(
      world,
      ["emit", "--config", world.config],
      text(line("a"), line("b"), errorLine("c", "2026-11-20")),
    );
    await world.run(["emit", "--config", world.config], {
      input: text(refused, `{"pattern_id":"b","${SECRET}`),
    });
    await world.run(["compress", "--config", world.config]);
    await emitSettled(world, ["emit", "--config", world.config], text(line("a", { version: 2 })));
    const aside = keepAside(join(world.state, "spool"), line("b"), errorLine("other", "2026-11-20"));

    const dry = await world.run(["forget", "a", "b", "nobody", "--dry-run", "--config", world.config]);
    expect(dry.stdout).toBe("would forget 2 patterns, 2 rejected lines, 1 line kept aside\n");
    expect(await idsIn(world)).toHaveLength(3);
    const done = await world.run(["forget", "a", "b", "nobody", "--yes", "--config", world.config]);
    expect(done.stdout).toBe("forgot 2 patterns, 2 rejected lines, 1 line kept aside\n");
    expect(done.stderr).toContain("Backups, exports and copies are untouched");
    expect(holding(world)).toEqual([]);
    expect(linesOf(readFileSync(aside, "utf8"))).toEqual([errorLine("other", "2026-11-20")]);

    // What comes again is counted and left out: also after a restart.
    const again = await emitSettled(
      world,
      ["emit", "--json", "--config", world.config],
      text(line("a"), line("b"), line("nobody")),
    );
    expect(again.status).toBe(0);
    expect(await idsIn(world)).toEqual(["c"]);
    await daemon.logged("pattern.forgotten");
    expect(await daemon.stop()).toBe(0);
    const next = await world.start("--config", world.config);
    await emitSettled(world, ["emit", "--config", world.config], text(line("a")));
    expect(await idsIn(world)).toEqual(["c"]);
    expect(await next.stop()).toBe(0);
    expect(holding(world)).toEqual([]);
  });

  test("without a daemon: what a filter means, in the outbox and in what an import refused, too", async () => {
    const world = configured(backend);
    const daemon = await world.start("--config", world.config);
    await emitSettled(
      world,
      ["emit", "--config", world.config],
      text(
        line("a", { session_id: "gone" }),
        line("b", { session_id: "gone" }),
        errorLine("c", "2026-11-20"),
      ),
    );
    expect(await daemon.stop()).toBe(0);
    const left = await world.run(["emit", "--config", world.config], {
      input: text(line("d", { session_id: "gone" }), errorLine("e", "2026-11-20")),
    });
    expect(left.stderr).toContain("in the outbox");
    const source = join(world.folder, "source.ndjson");
    writeFileSync(
      source,
      text(
        JSON.stringify({
          pattern_id: "f",
          pattern_type: "no_such_type",
          timestamp: "2026-11-20",
          context: { session_id: "gone" },
          secret: SECRET,
        }),
      ),
    );
    await world.run(["import", source, "--config", world.config]);

    const asked = ["--session", "gone", "--json", "--config", world.config];
    const sums = { patterns: 2, rejected: 1, outbox: 1, aside: 0 };
    const planned = await world.run(["forget", ...asked, "--dry-run"]);
    expect(JSON.parse(planned.stdout)).toEqual({ dry_run: true, ...sums });
    const forgotten = await world.run(["forget", ...asked, "--yes"]);
    expect(forgotten.stderr).toContain(`no daemon answers; working on ${backend} store`);
    expect(JSON.parse(forgotten.stdout)).toEqual({ dry_run: false, ...sums });
    expect(holding(world)).toEqual([]);
    const next = await world.start("--config", world.config);
    await next.logged("outbox.taken");
    expect((await idsIn(world)).sort()).toEqual(["c", "e"]);
    expect(await next.stop()).toBe(0);
  });
});

test("an import brings back nothing that was forgotten, and says so", async () => {
  const world = configured("filesystem");
  const source = join(world.folder, "source.ndjson");
  writeFileSync(source, text(line("a"), errorLine("b", "2026-11-20")));
  expect((await world.run(["import", source, "--config", world.config])).status).toBe(0);
  await world.run(["forget", "a", "--yes", "--config", world.config]);
  const { stdout, status } = await world.run(["import", source, "--config", world.config]);
  expect(status).toBe(0);
  expect(stdout).toContain("1 record left out, since they were forgotten");
  expect(await idsIn(world)).toEqual(["b"]);
  expect(holding(world)).toEqual([]);
});

test("hundreds of ids are forgotten in as many requests as they need", async () => {
  const world = configured("filesystem");
  const daemon = await world.start("--config", world.config);
  const ids = Array.from({ length: 300 }, (_, n) => `${"long ".repeat(20)}${n}`);
  await emitSettled(
    world,
    ["emit", "--config", world.config],
    text(...ids.map((id) => line(id)), line("stays")),
  );
  const { stdout } = await world.run(["forget", ...ids, "--yes", "--json", "--config", world.config]);
  expect(JSON.parse(stdout)).toMatchObject({ patterns: 300 });
  expect(await idsIn(world)).toEqual(["stays"]);
  expect(await daemon.stop()).toBe(0);
});

test("ended on the way and asked again, a filter means the same", async () => {
  const world = configured("sqlite");
  const daemon = await world.start("--config", world.config);
  await emitSettled(world, ["emit", "--config", world.config], text(line("a", { session_id: "gone" })));
  await world.run(["emit", "--config", world.config], { input: text(`{"pattern_id":"a","${SECRET}`) });
  const [name = ""] = readdirSync(world.state, { recursive: true, encoding: "utf8" }).filter((one) =>
    one.endsWith(".db"),
  );
  // Whoever reads for long keeps what is removed in the WAL.
  const reader = new Database(join(world.state, name), { readonly: true });
  onTestFinished(() => void reader.close());
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM patterns").get();

  const asked = ["forget", "--session", "gone", "--yes", "--config", world.config];
  const ended = await world.run(asked);
  expect([ended.status, ended.stderr]).toEqual([1, expect.stringContaining("forget the same again")]);
  expect(holding(world).filter((file) => !file.startsWith(name))).toEqual([]);
  expect(holding(world)).not.toEqual([]);
  reader.close();
  expect((await world.run(asked)).status).toBe(0);
  expect(holding(world)).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});

test("a rejected line whose record is damaged is forgotten, too", async () => {
  const world = configured("filesystem");
  await world.run(["import", "-", "--config", world.config], { input: text(line("b")) });
  const folder = join(world.state, "rejected");
  mkdirSync(folder, { recursive: true });
  const day = join(folder, `${new Date().toISOString().slice(0, 10)}.ndjson`);
  const record = JSON.stringify({ time: "2026-11-20T10:00:00Z", line: line("a") });
  writeFileSync(
    day,
    text(record.slice(0, -20), record.replace(SECRET, "other").slice(0, -20).replaceAll("a", "b")),
  );
  const { stdout } = await world.run(["forget", "a", "--yes", "--config", world.config]);
  expect(stdout).toBe("forgot 0 patterns, 1 rejected line\n");
  expect(holding({ state: folder })).toEqual([]);
  expect(linesOf(readFileSync(day, "utf8"))).toHaveLength(1);
});

test.skipIf(process.platform !== "linux")(
  "a large file kept aside takes no memory to speak of, whoever else forgets something in it",
  async () => {
    const world = configured("filesystem");
    const daemon = await world.start("--config", world.config);
    const peakMiB = () => {
      const status = readFileSync(`/proc/${daemon.process.pid}/status`, "utf8");
      return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
    };
    const others = `${errorLine("other", "2026-11-20", { more: "x".repeat(800) })}\n`.repeat(100_000);
    const aside = keepAside(join(world.state, "spool"), line("a"), line("b"), others);
    await emitSettled(world, ["emit", "--config", world.config], text(line("c")));
    const before = peakMiB();
    const forget = (id: string) => world.run(["forget", id, "--yes", "--config", world.config]);
    for (const { stdout } of await Promise.all([forget("a"), forget("b")]))
      expect(stdout).toBe("forgot 0 patterns, 1 line kept aside\n");
    expect(statSync(aside).size).toBe(others.length + 1);
    expect(peakMiB() - before).toBeLessThan(60);
    expect(await daemon.stop()).toBe(0);
  },
);

test.each([
  [["forget", "--yes"], "everything is never meant"],
  [["forget", "a"], "--yes: needed where nobody can be asked"],
  [["forget", "a", "--yes", "--limit", "3"], "what is forgotten is all that is meant"],
  [["forget", "", "--yes"], "expected ids, got an empty text"],
])("%s is refused", async (args, message) => {
  const { status, stderr } = await createWorld().run(args);
  expect([status, stderr]).toEqual([64, expect.stringContaining(message)]);
});
