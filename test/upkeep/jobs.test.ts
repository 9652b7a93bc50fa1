/** The jobs over real stores, through time. */
import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/store/backend.ts";
import type { UpkeepStore } from "../../src/upkeep/work.ts";
import { DAY_MS, HOUR_MS, old, World } from "./world.ts";

describe.each(["filesystem", "sqlite"] as const)("on %s", (kind) => {
  test("an imported store is whole the morning after, and the log says what will go and when", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z");
    await world.start();
    await world.write(...old(100), { id: "new" });
    await world.stop();
    world.noteImport();
    await world.pass(HOUR_MS);
    await world.start();
    await world.until("2026-11-26T12:00:00Z");
    expect(await world.ids()).toHaveLength(101);
    const [planned, ...more] = world.events("retention.planned");
    expect(more).toEqual([]);
    expect(planned).toMatchObject({
      reasons: ["first", "imported", "large"],
      patterns: 100,
      by_type: { error_occurrence: 100 },
    });
    const due = Date.parse(String(planned?.due));
    expect(due).toBe(Date.parse(String(planned?.at)) + 24 * HOUR_MS);
    expect(world.jobs.status().retention).toMatchObject({
      planned: { patterns: 100, due: planned?.due },
      last: { outcome: "waiting", count: 0 },
    });
    // What was announced goes, and a restart on the way changes nothing.
    await world.stop();
    await world.start();
    await world.pass(due - world.now - 1);
    expect(await world.ids()).toHaveLength(101);
    await world.pass(1);
    expect(await world.ids()).toEqual(["new"]);
    expect(world.jobs.status().retention).toMatchObject({
      planned: null,
      last: { outcome: "done", count: 100 },
    });
  });

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

  test("a shorter retention is announced, and one that is as long again lets everything be", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z", { retention: { days: 20 } });
    await world.start();
    await world.write(
      { id: "first", at: "2026-11-01" },
      ...Array.from({ length: 9 }, (_, n) => ({
        id: `n${n}`,
        at: new Date(world.now - n * DAY_MS).toISOString(),
      })),
    );
    await world.pass(3 * DAY_MS);
    expect(await world.ids()).toHaveLength(9);
    world.events();
    world.configure({ retention: { days: 8 } });
    await world.pass(DAY_MS);
    expect(world.events("retention.planned")).toMatchObject([{ reasons: ["shortened"] }]);
    world.configure({ retention: { days: 30 } });
    await world.pass(3 * DAY_MS);
    expect(world.jobs.status().retention.planned).toBeNull();
    expect(await world.ids()).toHaveLength(9);
  });

  test("a retention that was longer while nothing was old enough is shortened from there", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z", { retention: { days: 20, graceHours: 0 } });
    await world.start();
    const aged = (days: number) => ({
      id: `${days}`,
      at: new Date(world.now - days * DAY_MS).toISOString(),
    });
    await world.write(...[30, 12, 11, 10, 3, 2, 1].map(aged));
    await world.pass(DAY_MS);
    expect(world.events("retention.planned")).toMatchObject([{ reasons: ["first"] }]);
    world.configure({ retention: { days: 300 } });
    await world.pass(10 * DAY_MS);
    world.configure({ retention: { days: 25, graceHours: 24 } });
    // Nothing is that old on the first of these nights, nor after the restart.
    await world.pass(DAY_MS);
    await world.stop();
    await world.start();
    expect(await world.ids()).toHaveLength(6);
    await world.until("2026-12-09T12:00:00Z");
    expect(await world.ids()).toHaveLength(6);
    expect(world.events("retention.planned")).toMatchObject([{ reasons: ["shortened"], patterns: 1 }]);
    await world.pass(4 * DAY_MS);
    expect(await world.ids()).toEqual(["1", "2", "3"]);
    expect(world.events("retention.planned")).toEqual([]);
  });

  test("a shorter retention that is announced, and finds nothing when it is due, is announced again", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z", { retention: { days: 20, graceHours: 0 } });
    await world.start();
    const daily = Array.from({ length: 30 }, (_, n) => ({
      id: `${n}`,
      at: new Date(world.now - n * DAY_MS).toISOString(),
    }));
    await world.write(...daily);
    await world.pass(DAY_MS);
    world.events();
    world.configure({ retention: { days: 15, graceHours: 24 } });
    await world.pass(DAY_MS);
    expect(world.events("retention.planned")).toMatchObject([{ reasons: ["shortened"] }]);
    await world.jobs.run("retention", { isDry: false, days: 10 });
    await world.pass(DAY_MS);
    expect(world.jobs.status().retention).toMatchObject({
      planned: null,
      last: { outcome: "done", count: 0 },
    });
    const before = (await world.ids()).length;
    await world.until("2026-12-03T12:00:00Z");
    expect(world.events("retention.planned")).toMatchObject([{ reasons: ["shortened"] }]);
    expect(await world.ids()).toHaveLength(before);
  });

  test("what is announced as more than half stays until it is due, however much comes meanwhile", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z", { retention: { graceHours: 0 } });
    await world.start();
    await world.write(...old(1), { id: "new" });
    await world.pass(DAY_MS);
    world.events();
    world.configure({ retention: { graceHours: 72 } });
    await world.write(...old(3));
    await world.pass(DAY_MS);
    const [planned] = world.events("retention.planned");
    expect(planned).toMatchObject({ reasons: ["large"], patterns: 3 });
    await world.write(...Array.from({ length: 9 }, (_, n) => ({ id: `new ${n}` })));
    const due = Date.parse(String(planned?.due));
    await world.pass(due - world.now - 1);
    expect(await world.ids()).toHaveLength(13);
    expect(world.jobs.status().retention).toMatchObject({
      planned: { due: planned?.due },
      last: { outcome: "waiting" },
    });
    await world.pass(1);
    expect(await world.ids()).toHaveLength(10);
    expect(world.jobs.status().retention.planned).toBeNull();
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
