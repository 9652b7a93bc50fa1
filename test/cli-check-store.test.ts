/** `patternd check-store` in real processes, with and without a daemon. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createWorld, emitSettled, errorLine, linesOf, type World } from "./cli-world.ts";

const store = (world: World) => join(world.folder, "state/patternd/patterns");
const lines = Array.from({ length: 200 }, (_, n) => errorLine(`e${n}`, `2026-05-0${1 + (n % 3)}T10:00:00Z`));
const segment = (world: World) => join(store(world), "2026/05/01/error_occurrence.ndjson");

function configure(world: World, config: object): void {
  mkdirSync(join(world.folder, "config/patternd"), { recursive: true });
  writeFileSync(join(world.folder, "config/patternd/config.json"), JSON.stringify(config));
}

const parsed = (text: string) => linesOf(text).map((line) => JSON.parse(line));

test.each(["filesystem", "sqlite"])(
  "%s: a store is whole, also while a daemon writes to it",
  async (backend) => {
    const world = createWorld();
    configure(world, { backend });
    const daemon = await world.start();
    await emitSettled(world, ["emit"], lines.join("\n"));
    let isWriting = true;
    const writing = (async () => {
      for (let n = 0; isWriting; n += 1) {
        // New versions, so that there are marks too.
        const batch = Array.from({ length: 500 }, (_, k) =>
          errorLine(
            `w${k}`,
            `2026-05-0${1 + (n % 5)}T${String(10 + (n % 10))}:00:${String(k % 60).padStart(2, "0")}Z`,
            { session_id: `${n}` },
          ),
        );
        await world.run(["emit", "--no-wait"], { input: batch.join("\n") });
      }
    })();
    for (let checks = 0; checks < 4; checks += 1) {
      const { status, stdout } = await world.run(["check-store", "--json"]);
      const [{ checked, ...more }, ...others] = parsed(stdout);
      expect([status, more, others]).toEqual([0, {}, []]);
      expect(checked).toMatchObject({ findings: 0, remarks: 0 });
      expect(checked.patterns).toBeGreaterThanOrEqual(lines.length);
      expect(checked.bytes).toBeGreaterThan(0);
    }
    const repair = await world.run(["check-store", "--repair"]);
    expect(repair.status).toBe(0);
    isWriting = false;
    await writing;
    expect(await daemon.stop()).toBe(0);
    expect((await world.run(["check-store"])).status).toBe(0);
  },
);

test("what is wrong is said, then repaired, and what was cut is kept", async () => {
  const world = createWorld();
  const daemon = await world.start();
  await emitSettled(world, ["emit"], lines.join("\n"));
  appendFileSync(segment(world), "no pattern\n");
  const live = await world.run(["check-store", "--repair"]);
  expect(live.status).toBe(1);
  expect(live.stderr).toMatch(/is held by patternd.*\nStop the daemon, then run this again/);
  daemon.process.kill("SIGKILL");
  await new Promise((resolve) => daemon.process.once("close", resolve));
  appendFileSync(segment(world), "torn");
  writeFileSync(join(store(world), "notes"), "");

  const check = await world.run(["check-store"]);
  expect(check.status).toBe(1);
  expect(check.stdout).toMatch(
    /error_occurrence\.ndjson \(line 68, byte \d+\): line_damaged: 10 bytes that are no pattern/,
  );
  expect(check.stdout).toContain("--repair: cut off, kept in .aside");
  expect(check.stdout).toMatch(/: 200 patterns, [\d,]+ bytes: 2 findings\n$/);

  const { status, stdout } = await world.run(["check-store", "--repair", "--json"]);
  expect(status).toBe(0);
  const said = parsed(stdout);
  expect(said.map((one) => one.finding?.kind ?? one.repaired?.kind ?? one.checked?.findings)).toEqual([
    "not_ours",
    "line_damaged",
    "torn_tail",
    2,
    "torn_tail",
    "line_damaged",
    "not_ours",
    0,
  ]);
  const aside = join(store(world), ".aside");
  const kept = said.flatMap(({ repaired }) => (repaired ? readFileSync(repaired.kept_as, "utf8") : []));
  expect(kept).toEqual(["torn", "no pattern\n"]);
  expect(readdirSync(aside)).toHaveLength(2);
  const { stdout: exported } = await world.run(["export"]);
  expect(linesOf(exported).sort()).toEqual([...lines].sort());
});

test("a store that is not there, or somebody else's, is an error", async () => {
  const world = createWorld();
  const missing = await world.run(["check-store"]);
  expect([missing.status, missing.stdout]).toEqual([1, ""]);
  expect(missing.stderr).toContain("there is no store");
  writeFileSync(join(world.folder, "mine"), "x");
  const foreign = await world.run(["check-store", "--repair", "--store", `filesystem:${world.folder}`]);
  expect(foreign.status).toBe(1);
  expect(foreign.stderr).toContain("not a store of patternd");
  expect((await world.run(["check-store", "--store", "nothing"])).status).toBe(64);
});

test("what the system refuses a repair is told in our terms", async () => {
  const world = createWorld();
  const daemon = await world.start();
  await emitSettled(world, ["emit"], lines.join("\n"));
  expect(await daemon.stop()).toBe(0);
  appendFileSync(segment(world), "no pattern\n");
  const lock = join(store(world), ".lock");
  rmSync(lock);
  mkdirSync(lock, { mode: 0o700 });
  const { status, stderr } = await world.run(["check-store", "--repair"]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^patternd: filesystem:\S+patterns: EISDIR: .*\.lock'\nCheck its permissions/);
});
