/** `patternd backup` beside real processes that write, and killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as after } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { openStore } from "../../src/store/open.ts";
import { createWorld, MAIN, type World } from "../cli-world.ts";
import { Model, parse, walk } from "../conformance/patterns.ts";
import { Place } from "../conformance/place.ts";
import { askAll, lines, send } from "./client.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { difference, NONE, newSeed, seeded, taskLine, taskLines } from "./patterns.ts";
import { byId, CHILD, exceptionsOf, LASTING, randomStep } from "./upkeep-steps.ts";

const STEPS = 120;
const CLIENTS = 4;
const ROUNDS = 8;

/** Runs the command to its end, which must be a good one. */
async function backUp(world: World, kind: string, path: string, dest: string): Promise<void> {
  const config = join(world.folder, "backup.json");
  writeFileSync(config, JSON.stringify({ backend: kind, path }));
  expect(await world.run(["backup", dest, "--config", config])).toMatchObject({ status: 0, stderr: "" });
}

async function linesIn(kind: (typeof BACKENDS)[number], path: string): Promise<string[]> {
  const store = await openStore(kind, { path, durability: "os", timezone: "UTC", readOnly: true });
  try {
    return await walk(store, {}, 1000);
  } finally {
    await store.close();
  }
}

describe.each(BACKENDS)("%s", (kind) => {
  test("beside saving, compressing and deleting, each pattern is in the copy once", async () => {
    const random = seeded(newSeed(`backup ${kind}`));
    const world = createWorld();
    const place = new Place((options) => openStore(kind, options));
    await (await place.open()).close();
    const steps = Array.from({ length: STEPS }, () => randomStep(random));
    const script = join(place.folder, "script");
    writeFileSync(script, steps.map((step) => `${JSON.stringify(step)}\n`).join(""));
    const child = spawn(process.execPath, [CHILD, kind, place.path, script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = once(child, "close");
    let ended = 0;
    createInterface(child.stdout).on("line", (line) => {
      if (line.startsWith("end")) ended += 1;
    });

    const copies: { path: string; from: number; to: number }[] = [];
    while (child.exitCode === null) {
      const path = join(world.folder, `copy-${copies.length}`);
      const from = ended;
      await backUp(world, kind, place.path, path);
      copies.push({ path, from, to: ended });
    }
    await closed;
    expect(ended).toBe(STEPS);
    console.log(copies.map(({ from, to }) => `${from}-${to}`).join(" "));
    expect(copies.filter(({ from, to }) => to > from).length).toBeGreaterThan(0);

    const written = steps.flatMap((step) => ("write" in step ? step.write : []));
    const sent = new Map(written.map((line, order) => [line, order]));
    const orderOf = (line: string | Uint8Array) => sent.get(Buffer.from(line).toString()) ?? -1;
    for (const { path, from } of copies) {
      const copied = byId(await linesIn(kind, path));
      for (const line of copied.values()) expect(sent.has(line)).toBe(true);
      const model = new Model();
      for (const step of steps.slice(0, from)) {
        if ("write" in step) model.write(step.write.map(parse));
        if ("delete" in step) model.deleteOlderThan(BigInt(step.delete), exceptionsOf(step));
        if ("forget" in step) model.forget(step.forget);
      }
      for (const known of model.lines({}).map(parse)) {
        const line = copied.get(known.id);
        if (known.id.startsWith(LASTING))
          expect(line && parse(line).instant).toBeGreaterThanOrEqual(known.instant);
        // Once deleted it may have come again, for an earlier instant; but no replaced version comes back.
        else if (line !== undefined) expect(orderOf(line)).toBeGreaterThanOrEqual(orderOf(known.line));
      }
    }
  }, 120_000);

  test("of a daemon with replacing clients: what was acknowledged is in the copy, which is served in its stead", async () => {
    const world = createWorld();
    const home = new Home();
    const daemon = await home.start({ backend: kind });
    const acknowledged = new Map<string, number>();
    let isOver = false;
    const client = async (name: number) => {
      for (let version = 0; !isOver; version += 1) {
        // Each version on the next day.
        const timestamp = new Date(Date.parse("2026-05-01") + version * 86_400_000).toISOString();
        const ids = Array.from({ length: 20 }, (_, n) => `${name}-${version % 2 ? n : n + 10}`);
        const batch = ids.map((id) => taskLine({ id, timestamp, data: { version } }));
        await send(daemon.sockets.ingest, [lines(...batch)]);
        for (const id of ids) acknowledged.set(id, version);
      }
    };
    const clients = Array.from({ length: CLIENTS }, (_, name) => client(name));
    const store = join(home.state, kind === "sqlite" ? "patterns.db" : "patterns");
    for (let round = 0; round < 4; round += 1) {
      const before = new Map(acknowledged);
      const path = join(world.folder, `copy-${round}`);
      await backUp(world, kind, store, path);
      const copied = byId(await linesIn(kind, path));
      for (const [id, version] of before)
        expect(JSON.parse(copied.get(id) ?? "{}").data?.version).toBeGreaterThanOrEqual(version);
    }
    isOver = true;
    await Promise.all(clients);
    await daemon.stop();

    const restored = await home.start({ backend: kind, config: { path: join(world.folder, "copy-3") } });
    const held = await askAll(restored.sockets.query, 1000);
    await restored.stop();
    expect(held).toEqual(await linesIn(kind, join(world.folder, "copy-3")));
    expect(byId(held).size).toBeGreaterThan(CLIENTS * 20);
  }, 120_000);

  test("killed at any moment it leaves nothing in its place, and the next one clears the rest", async () => {
    const random = seeded(newSeed(`backup kill ${kind}`));
    const world = createWorld();
    const place = new Place((options) => openStore(kind, options));
    const store = await place.open();
    const all = taskLines(5_000);
    await store.write(all.map(parse));
    const folder = join(world.folder, "backups");
    const timed = async (name: string) => {
      const began = performance.now();
      await backUp(world, kind, place.path, join(folder, name));
      return performance.now() - began;
    };
    let tookMs = await timed("trial");
    let killed = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const dest = `copy-${round}`;
      const args = ["backup", join(folder, dest), "--config", join(world.folder, "backup.json")];
      const child = spawn(process.execPath, [MAIN, ...args], { env: world.env });
      const closed = once(child, "close");
      // The moment is what chance makes of it, once node has started.
      const killer = after((0.3 + 0.6 * random()) * tookMs).then(() => child.kill("SIGKILL"));
      await Promise.all([closed, killer]);
      if (readdirSync(folder).some((name) => name.startsWith(dest))) continue;
      killed += 1;
      tookMs = await timed(dest);
      expect(readdirSync(folder).filter((name) => name.startsWith(`.${dest}`))).toEqual([]);
    }
    expect(killed).toBeGreaterThan(0);
    for (let round = 0; round < ROUNDS; round += 1)
      expect(difference(await linesIn(kind, join(folder, `copy-${round}`)), all)).toEqual(NONE);
  }, 120_000);
});
