/** A store of one user, and what root and others do to it. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createWorld, emitSettled, errorLine, linesOf, MAIN, type Run, type World } from "./cli-world.ts";

const OWNER = 65_534;
const STRANGER = 65_533;
const DAY_MS = 86_400_000;
const ago = (days: number) => errorLine(`${days} days`, new Date(Date.now() - days * DAY_MS).toISOString());

const asOwner = { uid: OWNER, gid: OWNER };
/** Only root is somebody else at will; and another user may not be let into this checkout. */
const canBeOthers =
  process.geteuid?.() === 0 && spawnSync(process.execPath, [MAIN, "--help"], asOwner).status === 0;

interface Owned extends World {
  /** Of the store itself. */
  readonly store: string;
  readonly upkeep: string;
  readonly state: string;
  ask(words: string, uid?: number): Promise<Run>;
}

/** With patterns of three ages and a line that was refused. Killed: the database has a WAL. */
async function filled(
  backend: "filesystem" | "sqlite",
  end: "stopped" | "killed" = "stopped",
): Promise<Owned> {
  const world = createWorld(OWNER);
  const config = join(world.folder, "config.json");
  const never = { schedule: "0 0 29 2 *" };
  writeFileSync(config, JSON.stringify({ backend, retention: never, compression: never }));
  const daemon = await world.start("--config", config);
  const input = `${[ago(200), ago(60), ago(1)].join("\n")}\n{"pattern_id":"refused"}\n`;
  expect((await emitSettled(world, ["emit", "--config", config], input)).status).toBe(1);
  const state = join(world.folder, "state/patternd");
  const store = join(state, backend === "sqlite" ? "patterns.db" : "patterns");
  const upkeep = backend === "sqlite" ? `${store}.upkeep.json` : join(store, ".upkeep.json");
  if (end === "killed") daemon.process.kill("SIGKILL");
  await daemon.stop();
  const ask = (words: string, uid?: number) => world.run([...words.split(" "), "--config", config], { uid });
  return { ...world, store, upkeep, state, ask };
}

/** What in the world's state is not its owner's. */
function othersIn({ state }: Owned): string[] {
  return readdirSync(state, { recursive: true, encoding: "utf8" }).filter(
    (path) => statSync(join(state, path)).uid !== OWNER,
  );
}

describe.skipIf(!canBeOthers).each(["filesystem", "sqlite"] as const)(
  "on %s (skipped unless root may be others here)",
  (backend) => {
    test("root writes nothing to another user's store, and is told who may", async () => {
      const world = await filled(backend);
      const more = join(world.folder, "more.ndjson");
      writeFileSync(more, `${ago(2)}\n`);
      const place = `${backend}:${world.store}`;
      const own = `filesystem:${join(world.folder, "root's")}`;
      expect((await world.run(["import", more, "--to", own], { uid: 0 })).status).toBe(0);
      for (const words of [
        "delete-old --days 95",
        "compress",
        "forget 1 --yes",
        "rejected replay",
        "rejected purge --yes",
        `import ${more}`,
        `migrate --from ${own} --to ${place}`,
        // Its source is held and opened like any writer's.
        `migrate --from ${place} --to ${own}`,
        "start",
      ]) {
        const { status, stdout, stderr } = await world.ask(words, 0);
        expect([words, status, stderr + stdout]).toEqual([words, 1, expect.stringContaining(world.store)]);
        expect(stderr).toMatch(/belongs to .*65534/);
        expect(stderr).toMatch(/sudo -u \S+ patternd|setpriv --reuid=65534 /);
        expect(othersIn(world)).toEqual([]);
      }
      expect((await world.ask("delete-old --days 95")).stdout).toContain("1 pattern deleted");
      const daemon = await world.start("--config", join(world.folder, "config.json"));
      expect(await daemon.stop()).toBe(0);
    }, 60_000);

    test("root repairs no other user's store", async () => {
      const world = await filled(backend);
      const loose = backend === "sqlite" ? world.store : join(world.store, "store.json");
      chmodSync(loose, 0o644);
      const { status, stdout, stderr } = await world.ask("check-store --repair", 0);
      expect([status, stdout]).toEqual([1, expect.stringContaining("mode_wrong")]);
      expect(stderr).toContain("belongs to");
      expect([statSync(loose).mode & 0o777, othersIn(world)]).toEqual([0o644, []]);
      expect((await world.ask("check-store --repair")).status).toBe(0);
    });

    test.each(["stopped", "killed"] as const)(
      "root reads another user's store whose daemon was %s, and leaves nothing of root's in it",
      async (end) => {
        const world = await filled(backend, end);
        rmSync(`${world.store}-shm`, { force: true });
        for (const words of [
          "query --json",
          "stats",
          "analyze --json",
          "export",
          "rejected list",
          "delete-old --dry-run",
          "check-store",
          `backup ${world.folder}/copy`,
        ]) {
          expect([words, (await world.ask(words, 0)).status]).toEqual([words, 0]);
          expect([words, othersIn(world)]).toEqual([words, []]);
        }
        const daemon = await world.start("--config", join(world.folder, "config.json"));
        expect(await daemon.stop()).toBe(0);
      },
      30_000,
    );

    test("root writes to a store of its own", async () => {
      const world = createWorld();
      const source = join(world.folder, "source.ndjson");
      writeFileSync(source, `${ago(200)}\n`);
      const to = `${backend}:${join(world.folder, "store")}`;
      for (let times = 0; times < 2; times += 1)
        expect((await world.run(["import", source, "--to", to])).status).toBe(0);
    });

    test("a user whose store it is not is told of permissions, not of a defect", async () => {
      const world = await filled(backend);
      for (const words of ["query --json", "delete-old --days 95", "check-store --repair", "start"]) {
        const { status, stderr } = await world.ask(words, STRANGER);
        expect([words, status, stderr]).toEqual([words, 1, expect.stringContaining("EACCES")]);
        expect(stderr).not.toContain("defect");
      }
    });

    const ruined: [string, (path: string) => void][] = [
      ["root's, whom nobody else may read", (path) => chownSync(path, 0, 0)],
      ["a folder", (path) => [rmSync(path), mkdirSync(path)]],
    ];
    test.each(ruined)("where the file of the upkeep is %s, it is named, with what to do", async (_, ruin) => {
      const world = await filled(backend);
      expect(existsSync(world.upkeep)).toBe(true);
      ruin(world.upkeep);
      const more = join(world.folder, "more.ndjson");
      writeFileSync(more, `${ago(2)}\n`);
      for (const words of ["start", "delete-old", "compress --dry-run", `import ${more}`]) {
        const { status, stderr } = await world.ask(words);
        expect([words, status, stderr]).toEqual([words, 1, expect.stringContaining(world.upkeep)]);
        expect(stderr).not.toContain("defect");
        expect(linesOf(stderr).at(-1)).toMatch(/^(A store's files all belong to|Something else stands)/);
      }
    });
  },
);
