import { describe, expect, test } from "vitest";
import { PatternSchema } from "../src/index.ts";
import { DATA, DECLARED, whole } from "./pattern-fixture.ts";

describe("PatternSchema", () => {
  test("takes each type's data and the context, and no other's", () => {
    const checks = [
      ["task_completion", PatternSchema.validateTaskCompletion],
      ["error_occurrence", PatternSchema.validateErrorOccurrence],
      ["agent_usage", PatternSchema.validateAgentUsage],
      ["user_correction", PatternSchema.validateUserCorrection],
    ] as const;
    for (const [type, check] of checks) {
      expect(checks.map(([other]) => check(DATA[other]))).toEqual(checks.map(([other]) => other === type));
      expect(PatternSchema.validatePattern(whole(type))).toBe(true);
    }
    expect(PatternSchema.validateContext(whole("agent_usage").context)).toBe(true);
    expect(PatternSchema.validateContext({ tags: "a" })).toBe(false);
    expect(PatternSchema.validateContext(null)).toBe(false);
    expect(PatternSchema.validatePattern({})).toBe(false);
  });

  test("lists every issue, in the daemon's codes", () => {
    expect(PatternSchema.issues(whole("agent_usage"))).toEqual([]);
    expect(PatternSchema.issues({ ...whole("agent_usage"), pattern_id: "", data: 7 })).toEqual([
      {
        code: "invalid_field",
        path: "pattern_id",
        message: 'expected 1 to 256 characters without NUL or lone surrogates, got ""',
      },
      { code: "invalid_field", path: "data", message: "expected an object, got 7" },
    ]);
  });

  test("knows further types when told of them", () => {
    const review = whole("code_review");
    expect(PatternSchema.validatePattern(review)).toBe(false);
    const schema = PatternSchema.withTypes(DECLARED);
    expect(schema.validatePattern(review)).toBe(true);
    expect(schema.issues({ ...review, data: {} })).toHaveLength(6);
    expect(() => PatternSchema.withTypes({ Nap: { required: {} } })).toThrow("types.Nap: ");
  });
});
