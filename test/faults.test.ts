import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PatternParser } from "../src/pattern/parse.ts";
import { Zone } from "../src/pattern/zone.ts";
import { changed, changesOf, TYPES } from "./pattern-changes.ts";
import { CONTEXT, DATA, DECLARED, whole } from "./pattern-fixture.ts";
import { newSeed } from "./process/patterns.ts";

const parser = new PatternParser({
  zone: new Zone("UTC"),
  types: DECLARED,
  now: () => Date.parse("2026-06-01T12:00:00Z"),
});
const pathsOf = (value: unknown) => parser.faults(value).map(({ code, path }) => [code, path]);

describe("the faults of a value", () => {
  test.each(TYPES)("are none of a %s exactly when the parser takes it, and else name its fault", (type) => {
    const seed = newSeed(`faults of ${type}`);
    const said = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(changesOf(type), (changes) => {
        const value = changes.reduce<unknown>(changed, whole(type));
        const parsed = parser.parseValue(value, Buffer.alloc(0));
        const faults = parser.faults(value);
        if (parsed.kind === "rejection") expect(faults).toContainEqual(parsed.rejection);
        else expect(faults).toEqual([]);
        said[parsed.kind === "rejection" ? "refused" : "accepted"] += 1;
      }),
      { seed, numRuns: 1000 },
    );
    expect(Math.min(said.accepted, said.refused)).toBeGreaterThan(50);
  });

  test("name a long id alike wherever they are found, cut where characters end", () => {
    const id = "🦊".repeat(256);
    const ids = (value: object) => parser.faults(value).map(({ patternId }) => patternId);
    const late = { ...whole("task_completion"), pattern_id: id, timestamp: "2026-02-30" };
    expect(ids(late)).toEqual([id]);
    expect(ids({ ...late, pattern_id: `${id}🦊` })).toEqual([id, id]);
  });

  test("are all of them, each field once", () => {
    const { agent, ...data } = { ...DATA.task_completion, duration_ms: -0.5, success: "yes" };
    const context = { ...CONTEXT, tags: ["a", 1, "\0"], timestamp: "2026-02-30", environment: "prod" };
    const { pattern_id, ...others } = whole("task_completion");
    expect(pathsOf({ ...others, timestamp: "now", data, context, version: 2 })).toEqual([
      ["missing_field", "pattern_id"],
      ["missing_field", "data.agent"],
      ["invalid_field", "data.duration_ms"],
      ["invalid_field", "data.success"],
      ["invalid_field", "context.environment"],
      ["invalid_field", "context.timestamp"],
      ["invalid_field", "context.tags.1"],
      ["invalid_field", "context.tags.2"],
      ["invalid_field", "version"],
      ["invalid_field", "timestamp"],
    ]);
  });

  test("are found in what every pattern has when the type says nothing", () => {
    expect(pathsOf({ pattern_type: "nap", data: [], timestamp: "2026-05-01" })).toEqual([
      ["unknown_pattern_type", "pattern_type"],
      ["missing_field", "pattern_id"],
      ["invalid_field", "data"],
    ]);
    expect(pathsOf({})).toEqual([
      ["missing_field", "pattern_type"],
      ["missing_field", "pattern_id"],
      ["missing_field", "timestamp"],
      ["missing_field", "data"],
    ]);
    expect(pathsOf({ ...whole("agent_usage"), pattern_type: 7 })).toEqual([
      ["invalid_field", "pattern_type"],
    ]);
  });

  test("tell both timestamps that are ahead of the clock", () => {
    const context = { ...CONTEXT, timestamp: "2026-06-02T12:00:01Z" };
    const value = { ...whole("agent_usage", context), timestamp: "2026-06-02T12:00:00.000000001Z" };
    expect(pathsOf(value)).toEqual([
      ["invalid_field", "timestamp"],
      ["invalid_field", "context.timestamp"],
    ]);
  });

  test("are one where there is nothing to look into", () => {
    for (const value of [null, "x", 7, [], undefined])
      expect(pathsOf(value)).toEqual([["not_an_object", undefined]]);
    const cycle: Record<string, unknown> = whole("agent_usage");
    cycle.context = { metadata: cycle };
    expect(pathsOf(cycle)).toEqual([["too_deep", undefined]]);
  });
});
