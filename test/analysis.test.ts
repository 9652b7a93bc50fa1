/** Patterns in, report out. */
import * as fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { analyse } from "../src/analysis/analyse.ts";
import { Bounded } from "../src/analysis/bounded.ts";
import { dataOf } from "../src/analysis/data.ts";
import { Durations } from "../src/analysis/durations.ts";
import { foldMessage } from "../src/analysis/message.ts";
import { frameOf, periodsOf } from "../src/analysis/period.ts";
import { reportSchema } from "../src/analysis/report-schema.ts";
import { Timeline } from "../src/analysis/timeline.ts";

const HOUR = 3_600_000;
const NOW = Date.parse("2026-05-08T00:00:00Z");
const ns = (ms: number) => BigInt(ms) * 1_000_000n;

interface Given {
  readonly type: string;
  readonly data: object;
  readonly hoursAgo?: number;
}

/** Of the last week, against the week before. */
function reportOn(given: readonly Given[], start: bigint | null = ns(NOW - 168 * HOUR)) {
  const periods = periodsOf(start ?? undefined, undefined, new Date(NOW));
  const from = (start ?? 0n) / 1_000_000n;
  const steps = analyse(periods, function* (before, visit) {
    for (const { type, data, hoursAgo = 1 } of given) {
      const ms = NOW - hoursAgo * HOUR;
      if (BigInt(ms) < from === (before !== undefined))
        visit(type, ms, JSON.stringify({ data, context: {} }));
      yield;
    }
    return true;
  });
  for (;;) {
    const { done, value } = steps.next();
    if (done) return v.parse(reportSchema, value);
  }
}

const error = (message: string, more: object = {}, hoursAgo = 1): Given => ({
  type: "error_occurrence",
  data: { error_type: "TypeError", error_message: message, ...more },
  hoursAgo,
});
const task = (success: boolean, more: object = {}, hoursAgo = 1): Given => ({
  type: "task_completion",
  data: { task_type: "build", agent: "ada", duration_ms: 100, success, ...more },
  hoursAgo,
});
const times = (count: number, one: Given) => Array<Given>(count).fill(one);

test("errors: by type and folded message, with when, trend and what helped", () => {
  const { errors } = reportOn([
    error("line 12 is bad", { resolution: "undo" }, 5),
    error("line 7 is bad", { auto_resolved: true }, 3),
    error("line 8 is bad", {}, 4),
    error("other", { error_type: "IOError" }),
    error("line 1 is bad", { resolution: "redo" }, 200),
    error("line 1 is bad", { resolution: "undo" }, 250),
  ]);
  expect(errors).toMatchObject({ total: 4, before: 2, resolved: 2 });
  expect(errors.types).toMatchObject([
    { errorType: "TypeError", count: 3, before: 2, resolved: 2 },
    { errorType: "IOError", count: 1, before: 0 },
  ]);
  expect(errors.messages[0]).toMatchObject({
    message: "line <n> is bad",
    example: "line 7 is bad",
    firstSeen: "2026-05-07T19:00:00.000Z",
    lastSeen: "2026-05-07T21:00:00.000Z",
    resolutions: [
      { text: "undo", count: 2 },
      { text: "redo", count: 1 },
    ],
  });
  expect(errors.messages[0]?.timeline.at(-1)).toBe(3);
});

test("agents and tasks: success, durations, retries, tokens, corrections", () => {
  const { agents, tasks, tools, corrections } = reportOn([
    ...[10, 20, 30, 40].map((duration_ms) => task(true, { duration_ms, retry_count: 1 })),
    task(false, { duration_ms: 1_000, error_message: "port 80 is taken" }),
    task(false, { agent: "bob", task_type: "test" }, 3),
    task(true, {}, 200),
    {
      type: "agent_usage",
      data: {
        agent_type: "ada",
        task_type: "review",
        success: false,
        duration_ms: 50,
        tokens_used: 7,
        tools_used: ["read", "read", "edit"],
      },
    },
    {
      type: "user_correction",
      data: {
        agent: "ada",
        original_output: "a",
        corrected_output: "b",
        correction_type: "style",
        severity: "minor",
      },
    },
    { type: "user_correction", data: { agent: "ada", correction_type: "style" } },
  ]);
  expect(agents).toMatchObject([
    {
      agent: "ada",
      tasks: 5,
      uses: 1,
      failed: 2,
      successRate: 0.6667,
      successRateBefore: 1,
      medianMs: 30,
      p95Ms: 1_000,
      retries: 4,
      tokens: 7,
      corrections: 2,
    },
    { agent: "bob", tasks: 1, failed: 1, successRate: 0, successRateBefore: null },
  ]);
  expect(tasks.map(({ taskType }) => taskType)).toEqual(["build", "review", "test"]);
  expect(tasks[0]).toMatchObject({ failed: 1, failedMostWith: "ada", reason: "port <n> is taken" });
  expect(tools).toEqual([
    { tool: "edit", uses: 1, failed: 1 },
    { tool: "read", uses: 1, failed: 1 },
  ]);
  expect(corrections).toMatchObject({
    total: 2,
    bySeverity: { minor: 1, unsaid: 1, critical: 0 },
    types: [{ correctionType: "style", count: 2, before: 0 }],
  });
});

test("declared types are counted, and what is no pattern by its form does no harm", () => {
  const odd = [{ agent: 7, duration_ms: "x", tools_used: "y", retry_count: -1 }, {}, { error_message: null }];
  const types = ["task_completion", "agent_usage", "error_occurrence", "user_correction", "note"];
  const report = reportOn(odd.flatMap((data) => types.map((type) => ({ type, data }))));
  expect(report.patterns).toMatchObject({
    total: 15,
    byType: { note: 3, user_correction: 3 },
    unreadable: 0,
  });
  expect(report.agents[0]).toMatchObject({ agent: "?", failed: 0, retries: 0, medianMs: null });
});

test("no patterns make a report, too", () => {
  expect(reportOn([])).toMatchObject({ patterns: { total: 0 }, agents: [], recommendations: [] });
  expect(reportOn([], null)).toMatchObject({
    before: null,
    period: { start: null },
    errors: { before: null },
  });
});

describe("recommendations", () => {
  const kinds = (given: Given[]) => reportOn(given).recommendations.map(({ kind }) => kind);
  test.each<[string, Given[]]>([
    ["agent_failing", [...times(3, task(false)), ...times(7, task(true))]],
    ["task_failing", [...times(3, task(false)), ...times(7, task(true))]],
    ["agent_worse", [...times(2, task(false)), ...times(16, task(true)), ...times(10, task(true, {}, 200))]],
    ["retries_many", times(10, task(true, { retry_count: 1 }))],
    ["error_known", times(10, error("x", { resolution: "y" }))],
    ["error_new", times(10, error("x"))],
    ["error_rising", [...times(10, error("x")), ...times(5, error("x", {}, 200))]],
    ["error_unresolved", [...times(10, error("x")), ...times(6, error("x", {}, 200))]],
    [
      "corrections_critical",
      times(10, {
        type: "user_correction",
        data: { correction_type: "c", agent: "a", severity: "critical" },
      }),
    ],
  ])("%s, and not of one pattern less", (kind, given) => {
    expect(kinds(given)).toContain(kind);
    expect(kinds(given.slice(1))).not.toContain(kind);
  });
});

test.each([
  [
    "Cannot read properties of undefined (reading 'field12')",
    "Cannot read properties of undefined (reading <text>)",
  ],
  ["can't find 'a b' and won't try \"c\"", "can't find <text> and won't try <text>"],
  ["ENOENT: no such file, open /srv/app-1/x.json:12:7", "ENOENT: no such file, open <path>:<n>"],
  ["failed in src/orders/order-7.ts", "failed in <path>"],
  ["failed in C:\\work\\a.ts", "failed in <path>"],
  ["and/or 3.5 of 10", "and/or <n> of <n>"],
  ["GET https://example.org/a?b=1 gave 500", "GET <url> gave <n>"],
  ["object 0xdeadBEEF of 3f2c1ab9", "object <hex> of <hex>"],
  ["run 550e8400-e29b-41d4-a716-446655440000", "run <hex>"],
  ["deadbeef faded", "deadbeef faded"],
  ["  first   line\nsecond", "first line"],
  ["한국어 5", "한국어 <n>"],
])("%s is folded", (message, folded) => {
  expect(foldMessage(message)).toBe(folded);
  expect(foldMessage(folded)).toBe(folded);
});

test("a message that is all of what varies takes no time", () => {
  for (const text of ["a/", "'", "1.", "./", '"', "0x", "a.", "ab1-"]) foldMessage(text.repeat(100_000));
});

test("data is what JSON.parse says, however the line is written", () => {
  const key = fc.constantFrom("data", "context", "a", 'da"ta', "d\u0061ta", "\\data");
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<unknown>("data", '"data"', "}", '"context"', 1, null, "\\", "x\ny"),
      fc.dictionary(key, tie("value"), { noNullPrototype: true }),
      fc.array(tie("value"), { maxLength: 2 }),
    ),
  })).value;
  const objects = fc.dictionary(key, json, { noNullPrototype: true });
  const written = fc.record({
    data: objects,
    others: fc.array(fc.tuple(fc.constantFrom("context", "version", "data2"), json), { maxLength: 3 }),
    at: fc.nat(3),
    space: fc.constantFrom("", " "),
    name: fc.constantFrom('"data"', '"d\\u0061ta"'),
  });
  fc.assert(
    fc.property(written, ({ data, others, at, space, name }) => {
      const members = others.map(([key, value]) => `"${key}"${space}:${JSON.stringify(value)}`);
      members.splice(at, 0, `${name}${space}:${space}${JSON.stringify(data)}`);
      const line = `{${members.join(`${space},`)}}`;
      expect(dataOf(line)).toEqual(JSON.parse(line).data);
    }),
    { numRuns: 2_000 },
  );
});

test("quantiles are exact of few, and within 1 % of many", () => {
  const values = fc.array(fc.integer({ min: 0, max: 10 ** 9 }), {
    minLength: 1,
    maxLength: 1_500,
    size: "max",
  });
  fc.assert(
    fc.property(values, (all) => {
      const durations = new Durations();
      for (const value of all) durations.add(value);
      const sorted = all.toSorted((a, b) => a - b);
      const { p50, p95 } = durations.quantiles() ?? { p50: -1, p95: -1 };
      for (const [found, share] of [
        [p50, 0.5],
        [p95, 0.95],
      ] as const) {
        // The sketch takes the rank below: of so many one apart.
        const near = [-1, 0, 1].flatMap((by) => sorted[Math.ceil(share * sorted.length) - 1 + by] ?? []);
        const slack = all.length <= 500 ? 0 : 0.011;
        expect(near.some((value) => Math.abs(found - value) <= value * slack + Math.sign(slack))).toBe(true);
      }
    }),
    { numRuns: 50 },
  );
  expect(new Durations().quantiles()).toBeUndefined();
});

test("of any number of names the frequent ones stay", () => {
  const names = new Bounded((name) => ({ name, count: 0 }));
  for (let n = 0; n < 50_000; n += 1) {
    names.count(`rare ${n}`);
    if (n % 10 === 0) names.count("frequent");
  }
  expect(names.ranked()[0]).toEqual({ name: "frequent", count: 5_000 });
  expect(names.ranked().length).toBeLessThanOrEqual(2_000);
});

test("a timeline without a start widens, and loses nothing", () => {
  const ages = fc.array(fc.integer({ min: 0, max: 100_000 * HOUR }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(ages, (all) => {
      const timeline = new Timeline({ startMs: undefined, endMs: NOW });
      for (const age of all) timeline.add(NOW - age);
      const parts = timeline.parts(timeline.widthMs, timeline.length);
      expect(parts.length).toBeLessThanOrEqual(28);
      const inPart = (part: number) =>
        all.filter((age) => Math.floor(age / timeline.widthMs) === part).length;
      expect(parts.toReversed()).toEqual(parts.map((_, part) => inPart(part)));
    }),
  );
  expect(frameOf(periodsOf(undefined, undefined, new Date(NOW)))).toEqual({ startMs: undefined, endMs: NOW });
});

test("the period before is as long, and ends where the period begins", () => {
  const now = new Date(NOW);
  expect(periodsOf(ns(NOW - 10), ns(NOW + 5), now)).toEqual({
    start: ns(NOW - 10),
    end: ns(NOW),
    before: { start: ns(NOW - 20) - 1n, end: ns(NOW - 10) - 1n },
  });
  expect(periodsOf(ns(NOW + 10), undefined, now).before).toBeUndefined();
});
