/** What retention takes and what it announces: pure, so any moment and any past may be tried. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Census } from "../../src/store/backend.ts";
import { dayOf, startOfDay } from "../../src/store/days.ts";
import { decide, type Past, type Planned } from "../../src/upkeep/announce.ts";
import { clockFault } from "../../src/upkeep/clock.ts";
import {
  boundedBySize,
  deletionByAge,
  isShorter,
  longerOf,
  type RetentionPolicy,
} from "../../src/upkeep/policy.ts";
import { NO_STATE, parseState, stateText, withImport } from "../../src/upkeep/state.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const NOW = Date.parse("2026-11-25T03:17:00.5Z");
const nanos = (ms: number) => BigInt(ms) * 1_000_000n;
const policy = (more: Partial<RetentionPolicy> = {}): RetentionPolicy => {
  return { days: 90, byType: {}, keepTags: [], maxBytes: null, ...more };
};

describe("by age", () => {
  test("on demand to the nanosecond, by schedule in whole UTC days, each type by its own", () => {
    const own = policy({ byType: { user_correction: 365 }, keepTags: ["keep"] });
    expect(deletionByAge(own, NOW, "exact")).toEqual({
      cutoff: nanos(NOW - 90 * DAY_MS),
      exceptions: { byType: { user_correction: nanos(NOW - 365 * DAY_MS) }, keepTags: ["keep"] },
    });
    expect(deletionByAge(own, NOW, "whole")).toEqual({
      cutoff: nanos(Date.parse("2026-08-27")),
      exceptions: { byType: { user_correction: nanos(Date.parse("2025-11-25")) }, keepTags: ["keep"] },
    });
  });

  test("by schedule everything is kept for at least its days, and for less than one more", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 1, max: 36_500 }), (now, days) => {
        const { cutoff } = deletionByAge(policy({ days }), now, "whole");
        const age = now - Number(cutoff / 1_000_000n);
        expect(age).toBeGreaterThanOrEqual(days * DAY_MS);
        expect(age).toBeLessThan((days + 1) * DAY_MS);
      }),
    );
  });
});

describe("by size", () => {
  const today = dayOf(nanos(NOW));
  const share = (age: number, bytes: number, type = "note") => {
    return { day: today - age, type, patterns: 10, bytes, plainBytes: 0 };
  };
  const census = (...shares: ReturnType<typeof share>[]): Census => {
    const used = shares.reduce((sum, { bytes }) => sum + bytes, 0);
    // What is free on disk counts for nothing.
    return { bytes: 2 * used, used, shares, isMost: true };
  };
  const cutoff = (maxBytes: number | null, all: Census, days = 90) =>
    boundedBySize(deletionByAge(policy({ days }), NOW, "whole"), policy({ days, maxBytes }), all, NOW).cutoff;
  const all = census(share(3, 100), share(3, 50, "other"), share(2, 100), share(1, 100), share(0, 100));

  test.each([
    [null, -90],
    [450, -90],
    [449, -2],
    [300, -2],
    [299, -1],
    [150, 0],
    // Never the present day.
    [1, 0],
  ])("at most %s bytes", (maxBytes, end) => {
    expect(cutoff(maxBytes, all)).toBe(startOfDay(today + end));
  });

  test("what goes for its age counts first", () => {
    expect(cutoff(300, all, 2)).toBe(startOfDay(today - 2));
    expect(cutoff(299, all, 2)).toBe(startOfDay(today - 1));
  });

  test("what is held does not go, and takes its room", () => {
    expect(cutoff(300, { ...all, used: 550 })).toBe(startOfDay(today - 1));
  });

  test("types with more days of their own go, too", () => {
    const own = policy({ byType: { note: 365 }, maxBytes: 300 });
    const bounded = boundedBySize(deletionByAge(own, NOW, "whole"), own, all, NOW);
    expect(bounded.exceptions.byType).toEqual({ note: startOfDay(today - 2) });
  });
});

describe("announcing", () => {
  const settled: Past = { settled: policy(), imported: false, planned: undefined };
  const wanted = (patterns = 10, total = 1000, own = policy()) => {
    return { policy: own, patterns, byType: { note: patterns }, isMost: 2 * patterns > total };
  };
  const reasonsOf = (...[what, past]: [ReturnType<typeof wanted>, Past]) => {
    const decision = decide(what, past, NOW, 24 * HOUR_MS);
    return decision.do === "announce" ? decision.planned.reasons : decision.do;
  };

  test("what is usual goes ahead", () => {
    expect(decide(wanted(), settled, NOW, 0)).toEqual({ do: "delete" });
    expect(decide(wanted(500, 1000), settled, NOW, 0)).toEqual({ do: "delete" });
    expect(decide(wanted(0, 0), { ...settled, settled: undefined }, NOW, 0)).toEqual({ do: "delete" });
  });

  test.each([
    ["first", wanted(), { ...settled, settled: undefined }],
    ["imported", wanted(), { ...settled, imported: true }],
    ["large", wanted(501, 1000), settled],
    ["shortened", wanted(10, 1000, policy({ days: 89 })), settled],
    ["shortened", wanted(10, 1000, policy({ byType: { note: 30 } })), settled],
    ["shortened", wanted(10, 1000, policy({ maxBytes: 1 })), settled],
    ["shortened", wanted(), { ...settled, settled: policy({ keepTags: ["keep"] }) }],
    ["shortened", wanted(), { ...settled, settled: policy({ byType: { note: 365 } }) }],
  ])("the %s is announced, a grace period ahead", (reason, what, past) => {
    expect(reasonsOf(what, past)).toEqual([reason]);
    const decision = decide(what, past, NOW, 24 * HOUR_MS);
    expect(decision).toMatchObject({
      planned: { announced: NOW, due: NOW + 24 * HOUR_MS, patterns: what.patterns, byType: what.byType },
    });
  });

  test("what was announced waits, and then goes ahead", () => {
    const first = { ...settled, settled: undefined };
    const { planned } = announced(decide(wanted(), first, NOW, 24 * HOUR_MS));
    const past = { ...first, planned };
    for (const [hours, does] of [
      [0, "wait"],
      [23.99, "wait"],
      [24, "delete"],
      [1000, "delete"],
    ] as const)
      expect(decide(wanted(11), past, NOW + hours * HOUR_MS, 24 * HOUR_MS).do).toBe(does);
  });

  test.each([
    ["patterns were imported since", wanted(), { imported: true }],
    ["the retention is shorter still", wanted(10, 1000, policy({ days: 1 })), {}],
    ["it is more than half of the store now", wanted(600, 1000), {}],
  ])("it is announced anew when %s", (_, what, more) => {
    const first = { ...settled, settled: undefined };
    const { planned } = announced(decide(wanted(), first, NOW, 24 * HOUR_MS));
    const later = NOW + 25 * HOUR_MS;
    const again = announced(decide(what, { ...first, planned, ...more }, later, 24 * HOUR_MS));
    expect(again.planned.due).toBe(later + 24 * HOUR_MS);
  });

  test.each<[string, RetentionPolicy, ReturnType<typeof wanted>]>([
    ["half of the store by now", policy(), wanted(501, 1002)],
    ["as long a retention as before again", policy({ days: 30 }), wanted()],
  ])("what would be usual without its announcement (%s) waits until it is due", (_, own, later) => {
    const { planned } = announced(decide(wanted(501, 1000, own), settled, NOW, 24 * HOUR_MS));
    const past = { ...settled, planned };
    expect(decide(later, past, planned.due - 1, 24 * HOUR_MS)).toEqual({ do: "wait", planned });
    expect(decide(later, past, planned.due, 24 * HOUR_MS)).toEqual({ do: "delete" });
    expect(decide(wanted(0), past, planned.due - 1, 24 * HOUR_MS)).toEqual({ do: "delete" });
  });

  test("what was announced by a clock that was ahead is announced anew, or goes where that is usual", () => {
    const { planned } = announced(decide(wanted(501, 1000), settled, NOW + 400 * DAY_MS, 24 * HOUR_MS));
    const past = { ...settled, planned };
    expect(announced(decide(wanted(501, 1000), past, NOW, 24 * HOUR_MS)).planned.due).toBe(
      NOW + 24 * HOUR_MS,
    );
    expect(decide(wanted(), past, NOW, 24 * HOUR_MS)).toEqual({ do: "delete" });
  });

  function announced(decision: ReturnType<typeof decide>): { planned: Planned } {
    if (decision.do !== "announce") throw new Error(`expected an announcement, got ${decision.do}`);
    return decision;
  }

  test("longer is not shorter", () => {
    const base = policy({ byType: { note: 30 }, keepTags: ["a"], maxBytes: 100 });
    for (const longer of [
      base,
      { ...base, days: 91 },
      { ...base, byType: {} },
      { ...base, byType: { note: 30, other: 365 } },
      { ...base, keepTags: ["b", "a"] },
      { ...base, maxBytes: null },
    ])
      expect(isShorter(longer, base)).toBe(false);
  });

  test("what keeps as long as either of two is the shortest that does", () => {
    const amount = fc.integer({ min: 1, max: 9 });
    const some = fc.record({
      days: amount,
      byType: fc.dictionary(fc.constantFrom("a", "b", "c"), amount),
      keepTags: fc.subarray(["x", "y"]),
      maxBytes: fc.option(amount),
    });
    fc.assert(
      fc.property(some, some, some, (one, other, third) => {
        const longer = longerOf(one, other);
        expect([isShorter(longer, one), isShorter(longer, other)]).toEqual([false, false]);
        if (isShorter(third, longer)) expect(isShorter(third, one) || isShorter(third, other)).toBe(true);
      }),
    );
  });
});

describe("the clock", () => {
  const reading = { now: NOW, uptime: 1_000_000, boot: "a" };
  const faultAfter = (now: number, uptime: number, boot = "a") =>
    clockFault(reading, { now: NOW + now, uptime: 1_000_000 + uptime, boot });

  test.each([
    [40 * DAY_MS, 40 * DAY_MS],
    [DAY_MS - 1, 0],
    [0, DAY_MS - 1],
  ])("%s ms more on the clock are believed after %s ms", (now, passed) => {
    expect(faultAfter(now, passed)).toBeUndefined();
  });

  test.each([
    [DAY_MS + 1, 0, /1\.0 days more than it should/],
    [400 * DAY_MS, DAY_MS, /399\.0 days more/],
    [-2 * DAY_MS, 0, /2\.0 days less/],
    [0, 2 * DAY_MS, /2\.0 days less/],
  ])("%s ms more are not after %s ms", (now, passed, text) => {
    expect(faultAfter(now, passed)).toMatch(text);
  });

  test("between two starts of the machine any time may pass, but none back", () => {
    expect(faultAfter(400 * DAY_MS, -900_000, "b")).toBeUndefined();
    expect(faultAfter(-DAY_MS / 2, -900_000, "b")).toBeUndefined();
    expect(faultAfter(-2 * DAY_MS, -900_000, "b")).toMatch(/2\.0 days less/);
  });

  test("a machine that has been up for less time than before was started between, whatever the start's name", () => {
    expect(faultAfter(400 * DAY_MS, -900_000)).toBeUndefined();
    expect(faultAfter(-2 * DAY_MS, -900_000)).toMatch(/2\.0 days less/);
  });
});

describe("what is remembered", () => {
  test("comes back as it was", () => {
    const run = {
      started: NOW,
      ms: 5,
      reason: "asked",
      outcome: "done",
      count: 3,
      bytesBefore: 9,
      bytesAfter: 6,
    } as const;
    const planned = {
      announced: NOW,
      due: NOW + 1,
      reasons: ["first"],
      policy: policy(),
      patterns: 1,
      byType: { note: 1 },
    } as const;
    const state = {
      ...NO_STATE,
      clock: { now: NOW, uptime: 1, boot: "a" },
      settled: policy({ byType: { note: 3 }, keepTags: ["keep"], maxBytes: 1 }),
      planned: { ...planned, reasons: [...planned.reasons] },
      retention: { handled: NOW, schedule: "17 3 * * * UTC", last: run, runs: { done: 2 }, total: 6 },
    };
    expect(parseState(stateText(state))).toEqual(state);
    expect(parseState(withImport(stateText(state)))).toEqual({ ...state, imported: true });
  });

  const NO_MOMENT = JSON.stringify({ ...NO_STATE, retention: { handled: 8.64e15 + 1 } });

  test.each([undefined, "", "{", '{"format":2}', '{"format":1,"clock":{}}', NO_MOMENT])(
    "%s is nothing: the next deletion is the first",
    (text) => expect(parseState(text)).toEqual(NO_STATE),
  );
});
