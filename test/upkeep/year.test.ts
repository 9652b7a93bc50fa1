/** A year of nights, over real stores. */
import { describe, expect, test } from "vitest";
import { DAY_MS, World } from "./world.ts";

const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);

describe.each([
  ["filesystem", "Europe/Berlin"],
  ["sqlite", "America/New_York"],
] as const)("a year on %s, in %s", (kind, zone) => {
  test("each night has one run of each job, and exactly what retention says is kept", async () => {
    const retention = {
      days: 10,
      byType: { user_correction: 30 },
      keepTags: ["keep"],
      schedule: "30 2 * * *",
    };
    // Both changes of the clock and a leap day.
    const start = "2027-09-01T18:00:00Z";
    const world = new World(
      kind,
      start,
      { retention, compression: { afterDays: 5, schedule: "45 2 * * *" } },
      zone,
    );
    await world.start();
    const nights = new Map<string, number>();
    for (let n = -1; n < 365; ) {
      const first = n + 1;
      const begun = world.now;
      n = Math.min(n + 30, 365);
      // At the hours of the days to come: to save each day is to wait for the store's good manners each night.
      await world.write(
        ...Array.from({ length: n + 1 - first }, (_, later) => later).flatMap((later) => {
          const at = new Date(begun + later * DAY_MS).toISOString();
          const number = first + later;
          return [
            { id: `e${number}`, at, tags: number % 100 === 7 ? ["keep"] : [] },
            { id: `c${number}`, at, type: "user_correction" as const },
          ];
        }),
      );
      await world.pass((n + 1 - first) * DAY_MS);
      for (const { job, outcome, at } of world.events("job.done", "job.failed", "retention.blocked")) {
        const night = `${day(Date.parse(String(at)))} ${job}`;
        nights.set(night, (nights.get(night) ?? 0) + 1);
        if (outcome !== "waiting") expect(outcome).toBe("done");
      }
      // The last night's run was on the day after: it left the ten days up to the last.
      const ids = await world.ids();
      const numbers = (name: string) =>
        ids.filter((id) => id.startsWith(name)).map((id) => Number(id.slice(1)));
      const last = (days: number) => Array.from({ length: Math.min(n + 1, days) }, (_, age) => n - age);
      const held = [307, 207, 107, 7].filter((one) => one <= n - 10);
      expect(numbers("e")).toEqual([...last(10), ...held]);
      expect(numbers("c")).toEqual(last(30));
    }
    // One more for the first deletion, which was announced: it went ahead a day later.
    expect([...nights.values()].reduce((sum, runs) => sum + runs)).toBeLessThanOrEqual(2 * 366 + 2);
    expect(new Set([...nights.keys()].map((night) => night.slice(11)))).toEqual(
      new Set(["retention", "compression"]),
    );
    for (const job of ["retention", "compression"])
      expect([...nights.keys()].filter((night) => night.endsWith(job))).toHaveLength(366);
  }, 180_000);
});
