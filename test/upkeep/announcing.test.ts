/** What is announced before it goes, over real stores, through time. */
import { describe, expect, test } from "vitest";
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

  test("what was imported is announced when the first of it is old enough, nights later", async () => {
    const world = new World(kind, "2026-11-25T12:00:00Z");
    await world.start();
    await world.write(...old(1), { id: "new" });
    await world.pass(3 * DAY_MS);
    expect(await world.ids()).toEqual(["new"]);
    world.events();
    await world.write({ id: "imported", at: new Date(world.now - 89 * DAY_MS).toISOString() });
    await world.stop();
    world.noteImport();
    await world.start();
    const untilAnnounced = async () => {
      while (!world.jobs.status().retention.planned) await world.pass(HOUR_MS);
      expect(world.events("retention.planned")).toMatchObject([{ reasons: ["imported"], patterns: 1 }]);
      expect(await world.ids()).toContain("imported");
    };
    await untilAnnounced();
    // Nothing is to go for a while, and then it is.
    world.configure({ retention: { days: 95 } });
    await world.pass(DAY_MS);
    expect(world.jobs.status().retention).toMatchObject({
      planned: null,
      last: { outcome: "done", count: 0 },
    });
    await untilAnnounced();
    await world.pass(DAY_MS);
    expect(await world.ids()).not.toContain("imported");
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
});
