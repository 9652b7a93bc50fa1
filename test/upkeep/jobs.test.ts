/** The jobs over real stores, through time. */
import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/store/backend.ts";
import type { UpkeepStore } from "../../src/upkeep/work.ts";
import { DAY_MS, HOUR_MS, old, World } from "./world.ts";

describe.each(["filesystem", "sqlite"] as const)("on %s", (kind) => {
  test("what was missed is caught up at start, once", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z");
    await world.start();
    await world.stop();
    world.now += 9 * DAY_MS;
    world.uptime += 9 * DAY_MS;
    await world.start();
    await world.pass(10 * 60_000);
    expect(
      world
        .events("job.done")
        .map(({ job }) => job)
        .sort(),
    ).toEqual(["compression", "retention"]);
    await world.stop();
    await world.start();
    await world.pass(HOUR_MS);
    expect(world.events("job.done")).toEqual([]);
  });

  test("a machine that slept runs what it missed as it wakes, once", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z");
    await world.start();
    // No timer goes on in the sleep: what it waits for is still an hour away at most.
    const asleep = 3 * DAY_MS;
    world.now += asleep;
    await world.pass(2 * HOUR_MS);
    world.uptime += asleep;
    expect(
      world
        .events("job.done", "retention.blocked")
        .map(({ event, job }) => `${event} ${job}`)
        .sort(),
    ).toEqual(["job.done compression", "job.done retention", "retention.blocked undefined"]);
  });

  test("a clock that jumped deletes nothing, until it is right or somebody asks", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z", { retention: { graceHours: 0 } });
    await world.start();
    await world.write({ id: "a" });
    world.now += 200 * DAY_MS;
    await world.pass(2 * DAY_MS);
    expect(world.events("retention.blocked").length).toBeGreaterThan(0);
    expect(await world.ids()).toEqual(["a"]);
    expect(world.jobs.trouble).toMatch(
      /retention deletes nothing: the clock says 2027-06-15T.*, 200\.0 days more/,
    );
    expect(world.jobs.status().retention.last).toMatchObject({
      outcome: "blocked",
      error: expect.stringContaining("200.0 days"),
    });
    world.now -= 200 * DAY_MS;
    expect(world.jobs.trouble).toBeUndefined();
    await world.pass(2 * DAY_MS);
    expect(world.events("retention.blocked")).toEqual([]);
    world.now += 200 * DAY_MS;
    expect((await world.jobs.run("retention", { isDry: false })).patterns).toBe(1);
    expect(world.jobs.trouble).toBeUndefined();
    await world.pass(2 * DAY_MS);
    expect(world.events("retention.blocked")).toEqual([]);
  });

  test("other schedules count as soon as they are configured", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z");
    await world.start();
    world.configure({ retention: { schedule: "0 13 * * *" } });
    expect(world.jobs.status().retention).toMatchObject({
      schedule: "0 13 * * *",
      next: expect.stringMatching(/^2026-11-25T13:0/),
    });
    await world.pass(2 * HOUR_MS);
    expect(world.events("job.done")).toMatchObject([{ job: "retention", reason: "scheduled" }]);
  });

  test("a schedule that was moved to an earlier time of the day has missed nothing", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z");
    await world.start();
    await world.pass(DAY_MS);
    world.events("job.done");
    world.configure({ retention: { schedule: "0 11 * * *" } });
    await world.pass(HOUR_MS);
    await world.stop();
    world.configure({ retention: { schedule: "0 12 * * *" }, compression: { schedule: "0 10 * * *" } });
    await world.start();
    await world.pass(HOUR_MS);
    expect(world.events("job.done")).toEqual([]);
    await world.pass(DAY_MS);
    expect(world.events("job.done").map(({ job, at }) => [job, String(at).slice(0, 13)])).toEqual([
      ["compression", "2026-11-27T10"],
      ["retention", "2026-11-27T12"],
    ]);
  });

  test("runs never overlap, asked for or not; each is told by itself", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z", { retention: { days: 30 } });
    let running = 0;
    let most = 0;
    const counting =
      <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) =>
      async (...args: Args) => {
        running += 1;
        most = Math.max(most, running);
        return call(...args).finally(() => (running -= 1));
      };
    const wrap = (store: Backend): UpkeepStore => ({
      deleteOlderThan: counting((cutoff, exceptions) => store.deleteOlderThan(cutoff, exceptions)),
      countOlderThan: counting((cutoff, exceptions, of) => store.countOlderThan(cutoff, exceptions, of)),
      compress: counting((before) => store.compress(before)),
    });
    await world.start(wrap);
    await world.write(...old(40, "2026-09-01"), { id: "new" });
    const asked = [
      world.jobs.run("retention", { isDry: true }),
      world.jobs.run("retention", { isDry: false, days: 60 }),
      world.jobs.run("compression", { isDry: false }),
      world.jobs.run("retention", { isDry: false }),
    ];
    await world.pass(2 * DAY_MS);
    const [dry, sixty, , thirty] = await Promise.all(asked);
    expect(dry).toMatchObject({ dry_run: true, patterns: 40 });
    expect(dry?.shares).toHaveLength(40);
    expect([sixty?.patterns, thirty?.patterns]).toEqual([26, 14]);
    expect(most).toBe(1);
    expect(world.events("job.done").map(({ job, reason, count }) => [job, reason, count])).toEqual([
      ["retention", "asked", 26],
      ["compression", "asked", kind === "filesystem" ? 14 : 0],
      ["retention", "asked", 14],
      ["retention", "scheduled", 0],
      ["compression", "scheduled", 0],
      ["retention", "scheduled", 0],
      ["compression", "scheduled", 0],
    ]);
  });

  test("a run that fails is told, and the next one does its work", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z", { retention: { graceHours: 0 } });
    let isFailing = true;
    await world.start((store) => ({
      compress: (before) => store.compress(before),
      countOlderThan: (cutoff, exceptions, of) => store.countOlderThan(cutoff, exceptions, of),
      deleteOlderThan: async (cutoff, exceptions) => {
        if (isFailing) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
        return store.deleteOlderThan(cutoff, exceptions);
      },
    }));
    await world.write(...old(3), { id: "new" });
    await world.pass(DAY_MS);
    expect(world.events("job.failed")).toMatchObject([
      { job: "retention", error: "no space", system: "ENOSPC" },
    ]);
    expect(world.jobs.status().retention).toMatchObject({
      last: { outcome: "failed", error: "no space" },
      runs: { failed: 1 },
    });
    await expect(world.jobs.run("retention", { isDry: false })).rejects.toThrow("no space");
    isFailing = false;
    await world.pass(DAY_MS);
    expect(await world.ids()).toEqual(["new"]);
    expect(world.jobs.status().retention).toMatchObject({
      last: { outcome: "done", count: 3 },
      runs: { failed: 2, done: 1 },
    });
  });
});
