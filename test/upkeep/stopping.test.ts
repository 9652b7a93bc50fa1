/** Jobs that a daemon's stop meets on the way. */
import { describe, expect, test } from "vitest";
import { PatterndError } from "../../src/errors.ts";
import { DAY_MS, HOUR_MS, old, World } from "./world.ts";

/** Over a store that tells of each step of a deletion. */
function startTelling(world: World, onDeleted: (patterns: number) => void): Promise<void> {
  return world.start((store) => ({
    compress: (before) => store.compress(before),
    countOlderThan: (cutoff, exceptions, of) => store.countOlderThan(cutoff, exceptions, of),
    deleteOlderThan: (cutoff, exceptions, onStep) =>
      store.deleteOlderThan(cutoff, exceptions, (patterns) => {
        onStep?.(patterns);
        onDeleted(patterns);
      }),
  }));
}

describe.each(["filesystem", "sqlite"] as const)("on %s", (kind) => {
  test("a stop ends a deletion on the way, and the next start goes on with it", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z", { retention: { graceHours: 0 } });
    await world.start();
    const total = 30 * 40;
    await world.write(
      ...Array.from({ length: 40 }, (_, n) => old(30).map(({ id, at }) => ({ id: `${id} ${n}`, at }))).flat(),
      { id: "new" },
    );
    await world.stop();
    let stopped: Promise<void> | undefined;
    let gone = 0;
    const progress: unknown[] = [];
    await startTelling(world, (patterns) => {
      gone += patterns;
      progress.push(world.jobs.status().retention?.running);
      stopped ??= Promise.resolve().then(() => world.stop());
    });
    await world.pass(DAY_MS);
    await stopped;
    expect(progress).toMatchObject([{ done: gone, total }]);
    expect(world.events("job.stopped")).toMatchObject([
      { job: "retention", reason: "scheduled", started: expect.stringMatching(/^2026-11-26T03:/) },
    ]);
    await world.start();
    expect(world.jobs.status().retention).toMatchObject({
      last: { outcome: "stopped", reason: "scheduled" },
      runs: { stopped: 1 },
    });
    await world.pass(HOUR_MS);
    expect(world.events("job.done").filter(({ job }) => job === "retention")).toMatchObject([
      { count: total - gone },
    ]);
    expect(await world.ids()).toEqual(["new"]);
  });

  test("an announced one that a stop ends goes on at the next start, too", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z", { retention: { graceHours: 1 } });
    await world.start();
    await world.write(...old(30), { id: "new" });
    await world.pass(15.5 * HOUR_MS);
    expect(world.events("retention.planned")).toHaveLength(1);
    await world.stop();
    let stopped: Promise<void> | undefined;
    await world.start((store) => ({
      compress: (before) => store.compress(before),
      countOlderThan: (cutoff, exceptions, of) => store.countOlderThan(cutoff, exceptions, of),
      deleteOlderThan: async () => {
        stopped ??= Promise.resolve().then(() => world.stop());
        throw new PatterndError("store_closed", "the store is closed");
      },
    }));
    await world.pass(2 * HOUR_MS);
    await stopped;
    expect(world.events("job.stopped")).toMatchObject([{ job: "retention", reason: "scheduled" }]);
    await world.start();
    await world.pass(HOUR_MS);
    expect(await world.ids()).toEqual(["new"]);
  });

  test("what a deletion freed that was stopped counts against no limit", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z");
    const ids = (count: number) => Array.from({ length: count }, (_, n) => `${n}`.padEnd(100, "."));
    let stopped: Promise<void> | undefined;
    await startTelling(world, () => {
      stopped ??= Promise.resolve().then(() => world.stop());
    });
    await world.write(...old(30).flatMap(({ id, at }) => ids(40).map((n) => ({ id: `${id} ${n}`, at }))));
    await expect(world.jobs.run("retention", { isDry: false })).rejects.toMatchObject({
      code: "store_closed",
    });
    await stopped;
    world.configure({ retention: { days: 900 } });
    await world.start();
    expect((await world.ids()).length).toBeGreaterThan(0);
    const { bytes, used } = await world.store.countOlderThan(0n);
    if (kind === "sqlite") expect(bytes).toBeGreaterThan(used);
    world.configure({ retention: { maxBytes: used } });
    const dry = await world.jobs.run("retention", { isDry: true });
    expect(dry).toMatchObject({ patterns: 0, bytes_before: bytes });
    world.configure({ retention: { maxBytes: used - 1 } });
    const { shares } = await world.jobs.run("retention", { isDry: true });
    expect(shares).toHaveLength(1);
  });
});

describe("a deletion that ends after the stop, before the store is closed,", () => {
  const started = async (failure?: Error) => {
    const world = new World("filesystem", "2026-11-25T12:00:00Z", { retention: { graceHours: 0 } });
    await world.start((store) => ({
      deleteOlderThan: async (...asked) => {
        world.jobs.stop();
        if (failure) throw failure;
        return store.deleteOlderThan(...asked);
      },
      countOlderThan: (cutoff, exceptions, of) => store.countOlderThan(cutoff, exceptions, of),
      compress: (before) => store.compress(before),
    }));
    await world.write(...old(30), { id: "new" });
    await world.pass(DAY_MS);
    return world;
  };
  const retention = { job: "retention", reason: "scheduled" };

  test("is done, and was the first one", async () => {
    const world = await started();
    expect(world.events("job.done", "job.stopped")).toMatchObject([{ ...retention, count: 30 }]);
    await world.stop();
    await world.start();
    await world.write(...old(3, "2026-08-29"));
    await world.pass(5 * DAY_MS);
    expect(world.events("retention.planned")).toEqual([]);
    expect(await world.ids()).toEqual(["new"]);
  });

  test("and fails, is told as any other", async () => {
    const world = await started(Object.assign(new Error("no space"), { code: "ENOSPC" }));
    expect(world.events("job.failed", "job.stopped")).toMatchObject([
      { ...retention, event: "job.failed", error: "no space", system: "ENOSPC" },
    ]);
  });
});

test("on files a stop ends a compression before its next day, and the next start goes on with it", async () => {
  const world = new World("filesystem", "2026-11-25T12:00:00Z", { retention: { days: 900 } });
  await world.start();
  await world.write(...old(30));
  await world.stop();
  let days = 0;
  await world.start((store) => ({
    deleteOlderThan: (cutoff, exceptions) => store.deleteOlderThan(cutoff, exceptions),
    countOlderThan: (cutoff, exceptions, of) => store.countOlderThan(cutoff, exceptions, of),
    compress: (before) => {
      days += 1;
      if (days === 5) world.jobs.stop();
      return store.compress(before);
    },
  }));
  await world.pass(DAY_MS);
  expect(days).toBe(5);
  expect(world.events("job.stopped")).toMatchObject([{ job: "compression", reason: "scheduled" }]);
  await expect(world.jobs.run("retention", { isDry: true })).rejects.toMatchObject({
    code: "daemon_stopping",
  });
  await world.stop();
  await world.start();
  await world.pass(HOUR_MS);
  expect(world.events("job.done").filter(({ job }) => job === "compression")).toMatchObject([{ count: 25 }]);
});
