import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { storedPattern } from "../src/pattern/stored.ts";
import { Zone } from "../src/pattern/zone.ts";
import type { Backend } from "../src/store/backend.ts";
import { type MigrationProgress, migrate } from "../src/store/migrate.ts";
import { type BackendKind, openStore, type StorePlace } from "../src/store/open.ts";
import { createWorld, errorLine, linesOf, type World } from "./cli-world.ts";
import { Place } from "./conformance/place.ts";
import { MOAI } from "./moai.ts";

const PAIRS = [
  ["filesystem", "sqlite"],
  ["sqlite", "filesystem"],
  ["filesystem", "filesystem"],
  ["sqlite", "sqlite"],
] as const;

const resultSchema = v.strictObject({
  from: v.string(),
  to: v.string(),
  patterns: v.number(),
  written: v.number(),
  sha256: v.string(),
  timezone: v.string(),
});

interface Rig {
  place(kind: BackendKind): StorePlace;
  /** Writes the lines, one call each, and closes the store. */
  fill(place: StorePlace, lines: readonly string[], timezone?: string): Promise<void>;
  lines(place: StorePlace): Promise<readonly string[]>;
  /** Works on the store and closes it. */
  use<T>(place: StorePlace, work: (store: Backend) => Promise<T>): Promise<T>;
}

function createRig(): Rig {
  const folder = new Place((options) => openStore("filesystem", options)).folder;
  let places = 0;
  const use = async <T>(place: StorePlace, timezone: string, work: (store: Backend) => Promise<T>) => {
    const store = await openStore(place.backend, {
      path: place.path,
      durability: "os",
      timezone,
      readOnly: false,
    });
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  };
  return {
    place(kind) {
      places += 1;
      return { backend: kind, path: join(folder, `${places}`) };
    },
    fill: (place, lines, timezone = "UTC") =>
      use(place, timezone, async (store) => {
        for (const line of lines) {
          const pattern = storedPattern(line, new Zone(store.metadata.timezone));
          if (!pattern) throw new Error(`no pattern: ${line}`);
          await store.write([pattern]);
        }
      }),
    use: (place, work) => use(place, "UTC", work),
    lines: (place) => use(place, "UTC", async (store) => (await store.query({}, { limit: 10_000 })).lines),
  };
}

describe.each(PAIRS)("from %s to %s", (fromKind, toKind) => {
  test("by the command: every line, verified, and twice is harmless", async () => {
    const world = createWorld();
    const from = `${fromKind}:${join(world.folder, "from")}`;
    const to = `${toKind}:${join(world.folder, "to")}`;
    const env = { TZ: "Asia/Seoul" };
    await world.run(["import", MOAI.filesystem, "--to", from], { env });
    const run = async () => {
      const { status, stdout, stderr } = await world.run(["migrate", "--from", from, "--to", to, "--json"]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      return v.parse(resultSchema, JSON.parse(stdout));
    };
    const first = await run();
    expect(first).toMatchObject({ patterns: 240, written: 240, timezone: "Asia/Seoul" });

    const config = { backend: toKind, path: join(world.folder, "to") };
    const lines = await linesIn(world, config);
    expect(first.sha256).toBe(
      createHash("sha256")
        .update(lines.map((line) => `${line}\n`).join(""))
        .digest("hex"),
    );
    expect(lines).toEqual(await linesIn(world, { backend: fromKind, path: join(world.folder, "from") }));
    expect(await run()).toEqual({ ...first, written: 0 });
  });

  test("any history of versions comes over as what is left of it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(5), fc.nat(5), fc.nat(3)), { maxLength: 30 }),
        async (history) => {
          const rig = createRig();
          const [from, to] = [rig.place(fromKind), rig.place(toKind)];
          const lines = history.map(([id, day, value]) =>
            errorLine(`${id}`, `2026-05-0${day + 1}T00:30:00`, { value, tags: [`t${value}`] }),
          );
          const middle = Math.floor(lines.length / 2);
          await rig.fill(from, lines.slice(0, middle), "Asia/Tokyo");
          await migrate(from, to, { durability: "os" });
          // Migrated again after the source went on.
          await rig.fill(from, lines.slice(middle));
          const { patterns } = await migrate(from, to, { durability: "os" });
          expect(patterns).toBe(new Set(history.map(([id]) => id)).size);
          expect(await rig.lines(to)).toEqual(await rig.lines(from));
        },
      ),
      { numRuns: 10 },
    );
  });

  test("what was forgotten can't come back into the target either", async () => {
    const rig = createRig();
    const [from, to] = [rig.place(fromKind), rig.place(toKind)];
    const [gone, kept] = [errorLine("gone", "2026-05-01"), errorLine("kept", "2026-05-02")];
    await rig.fill(from, [gone, kept]);
    await rig.use(from, (store) => store.forget(["gone", "never there"]));
    expect(await migrate(from, to)).toMatchObject({ patterns: 1, written: 1 });
    await rig.fill(to, [gone, errorLine("never there", "2026-05-03")]);
    expect(await rig.lines(to)).toEqual([kept]);
    const hashes = await rig.use(to, (store) => store.forgotten());
    expect(hashes).toHaveLength(2);
    expect(new Set(hashes)).toEqual(new Set(await rig.use(from, (store) => store.forgotten())));
    expect(await migrate(from, to)).toMatchObject({ patterns: 1, written: 0 });
    expect(await rig.use(to, (store) => store.forgotten())).toHaveLength(2);

    // A forgetting that was ended on its way: the id is remembered, its pattern is there.
    const id = createHash("sha256").update("kept").digest("hex");
    await rig.use(from, (store) => store.remember([id]));
    expect(await rig.lines(from)).toEqual([kept]);
    const other = rig.place(toKind);
    expect(await migrate(from, other)).toMatchObject({ patterns: 0, written: 0 });
    expect(await rig.lines(other)).toEqual([]);
  });

  test("a target with anything else is left as it is", async () => {
    const rig = createRig();
    const from = rig.place(fromKind);
    await rig.fill(from, [errorLine("a", "2026-05-01"), errorLine("b", "2026-05-02")]);
    for (const [line, said] of [
      [errorLine("c", "2026-05-01"), 'holds pattern "c", which the source does not'],
      [errorLine("a", "2026-05-03"), 'holds a newer version of pattern "a"'],
    ] as const) {
      const to = rig.place(toKind);
      await rig.fill(to, [line]);
      const failed = expect.objectContaining({
        code: "migration_differs",
        message: expect.stringContaining(said),
      });
      await expect(migrate(from, to)).rejects.toEqual(failed);
      expect(await rig.lines(to)).toEqual([line]);
    }
    const elsewhere = rig.place(toKind);
    await rig.fill(elsewhere, [], "Asia/Seoul");
    await expect(migrate(from, elsewhere)).rejects.toThrow("are read in UTC by the source, in Asia/Seoul");
  });
});

test("tells each phase how far it is", async () => {
  const rig = createRig();
  const [from, to] = [rig.place("filesystem"), rig.place("sqlite")];
  await rig.fill(from, [errorLine("a", "2026-05-01"), errorLine("b", "2026-05-02")]);
  const seen: MigrationProgress[] = [];
  await migrate(from, to, { onProgress: (progress) => seen.push(progress) });
  expect(seen).toEqual([
    { phase: "check", patterns: 0 },
    { phase: "copy", patterns: 2 },
    { phase: "verify", patterns: 2 },
  ]);
});

test("the source must be there, be free, and not be the target", async () => {
  const rig = createRig();
  const [from, to] = [rig.place("filesystem"), rig.place("sqlite")];
  await expect(migrate(from, to)).rejects.toMatchObject({ code: "store_not_found" });
  await rig.fill(from, [errorLine("a", "2026-05-01")]);
  await expect(migrate(from, from)).rejects.toMatchObject({
    code: "store_locked",
    hint: "The target must be another store than the source.",
  });
  const held = await openStore("filesystem", { ...from, durability: "os", timezone: "UTC", readOnly: false });
  await expect(migrate(from, to)).rejects.toMatchObject({ code: "store_locked" });
  await held.close();
  expect(await migrate(from, to)).toMatchObject({ patterns: 1 });
});

async function linesIn(world: World, config: object): Promise<string[]> {
  const file = join(world.folder, "asked.json");
  writeFileSync(file, JSON.stringify(config));
  return linesOf((await world.run(["query", "--limit", "10000", "--json", "--config", file])).stdout);
}
