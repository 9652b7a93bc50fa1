import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Zone } from "../../src/pattern/zone.ts";
import { jitterOf, nextDue } from "../../src/upkeep/due.ts";
import { Schedule } from "../../src/upkeep/schedule.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const at = (text: string) => Date.parse(text);
const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
const schedule = (expression: string, zone = "UTC") => new Schedule(expression, new Zone(zone));

/** Every moment from one to another, each found from the one before. */
function slots(of: Schedule, from: string, to: string): string[] {
  const found: string[] = [];
  for (let slot = of.next(at(from) - 1); slot !== undefined && slot < at(to); slot = of.next(slot))
    found.push(iso(slot) ?? "");
  return found;
}

describe("a schedule", () => {
  // A time in the night that is skipped in spring and occurs twice in autumn, over a year with a leap day.
  test.each([
    ["Europe/Berlin", "30 2 * * *", "2028-03-26T00:30:00.000Z", "2027-10-31T00:30:00.000Z"],
    ["America/New_York", "30 2 * * *", "2028-03-12T06:30:00.000Z", "2027-11-07T07:30:00.000Z"],
    ["America/New_York", "30 1 * * *", "2028-03-12T06:30:00.000Z", "2027-11-07T05:30:00.000Z"],
    ["UTC", "30 2 * * *", "2028-02-29T02:30:00.000Z", "2027-10-31T02:30:00.000Z"],
  ])("in %s, %s comes once a day, whatever the clocks do", (zone, expression, spring, autumn) => {
    const all = slots(schedule(expression, zone), "2027-07-01T12:00:00Z", "2028-07-01T12:00:00Z");
    expect(all).toHaveLength(366);
    const days = all.map((slot) =>
      new Intl.DateTimeFormat("en-CA", { timeZone: zone, dateStyle: "short" }).format(at(slot)),
    );
    expect(new Set(days).size).toBe(366);
    expect(all).toContain(spring);
    expect(all).toContain(autumn);
  });

  test("of every hour has one run an hour, none twice and none at the same moment", () => {
    const day = slots(schedule("0 * * * *", "Europe/Berlin"), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
    expect(day).toHaveLength(23);
    expect(new Set(day).size).toBe(23);
  });

  test.each([
    ["0 0 29 2 *", "2026-11-25T00:00:00Z", "2028-02-29T00:00:00.000Z", "2024-02-29T00:00:00.000Z"],
    ["15 4 1 * *", "2026-11-25T00:00:00Z", "2026-12-01T04:15:00.000Z", "2026-11-01T04:15:00.000Z"],
    ["*/20 22-1 * * mon", "2026-11-25T00:00:00Z", "2026-11-30T00:00:00.000Z", "2026-11-23T23:40:00.000Z"],
    ["30 0 12 * * *", "2026-11-25T12:00:30Z", "2026-11-26T12:00:30.000Z", "2026-11-25T12:00:30.000Z"],
    ["0 0 L-30 2 *", "2026-11-25T00:00:00Z", undefined, undefined],
  ])("%s, seen from %s", (expression, now, next, latest) => {
    expect(iso(schedule(expression).next(at(now)))).toBe(next);
    expect(iso(schedule(expression).latest(at(now)))).toBe(latest);
  });

  test("looks back to what it looked forward to", () => {
    const schedules = ["17 3 * * *", "*/7 1,2,3 * * *", "30 2 * * sun", "0 0 1 * *"].flatMap((expression) =>
      ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"].map((zone) =>
        schedule(expression, zone),
      ),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...schedules),
        fc.integer({ min: at("2026-01-01"), max: at("2029-01-01") }),
        (one, moment) => {
          const next = one.next(moment) ?? 0;
          expect(next).toBeGreaterThan(moment);
          expect(one.latest(next)).toBe(next);
          expect(one.latest(next - 1) ?? 0).toBeLessThanOrEqual(moment);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("what is due", () => {
  const nightly = schedule("17 3 * * *", "Europe/Berlin");

  test("each slot has its run, however irregularly the clock is looked at, and what was missed is one run", () => {
    const pauses = fc.array(
      fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 1, max: 3 * HOUR_MS }) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 * DAY_MS }) },
      ),
      { minLength: 400, maxLength: 400 },
    );
    fc.assert(
      fc.property(pauses, fc.double({ min: 0, max: 0.999, noNaN: true }), (waits, jitter) => {
        let now = at("2027-09-15T12:00:00Z");
        let handled = now;
        for (const wait of waits) {
          const before = now;
          now += wait;
          const due = nextDue(nightly, handled, now, jitter);
          const missed = slots(nightly, new Date(handled + 1).toISOString(), new Date(now + 1).toISOString());
          if (!due || due.at > now) {
            // Nothing is due, or what is has its jitter before it.
            if (missed.length > 0) expect(now - at(missed.at(-1) ?? "")).toBeLessThan(600_000);
            continue;
          }
          expect(missed.length).toBeGreaterThan(0);
          expect(due.slot).toBe(at(missed.at(-1) ?? ""));
          expect(due.slot).toBeGreaterThan(handled);
          handled = nightly.latest(now) ?? 0;
          expect(before).toBeLessThan(now);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("a clock that was set back by an hour runs nothing twice; by days, it runs as if it had been right", () => {
    const handled = at("2026-11-25T02:17:00Z");
    expect(iso(nextDue(nightly, handled, handled - HOUR_MS, 0)?.at)).toBe("2026-11-26T02:17:00.000Z");
    const back = nextDue(nightly, handled, handled - 10 * DAY_MS, 0);
    expect(iso(back?.at)).toBe("2026-11-16T02:17:00.000Z");
  });

  test("each machine has its own minutes, always the same, and never near the next run", () => {
    const jitters = Array.from({ length: 200 }, (_, n) => jitterOf(`machine ${n}`, "retention"));
    expect(new Set(jitters).size).toBe(200);
    expect(jitterOf("machine 7", "retention")).toBe(jitters[7]);
    const now = at("2026-11-25T12:00:00Z");
    const late = jitters.map(
      (jitter) => (nextDue(nightly, now, now, jitter)?.at ?? 0) - at("2026-11-26T02:17:00Z"),
    );
    expect(Math.min(...late)).toBeLessThan(60_000);
    expect(Math.max(...late)).toBeGreaterThan(500_000);
    expect(Math.max(...late)).toBeLessThan(600_000);
    const often = nextDue(schedule("*/8 * * * * *"), now, now, 0.999);
    expect((often?.at ?? 0) - (often?.slot ?? 0)).toBeLessThan(2_000);
  });
});
