import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { predicateOf } from "../src/pattern/predicate.ts";
import { patternSchemas } from "../src/pattern/schema.ts";
import { CONTEXT, DATA, DECLARED, type TypeName, whole } from "./pattern-fixture.ts";
import { newSeed } from "./process/patterns.ts";

const TYPES = [
  "task_completion",
  "error_occurrence",
  "agent_usage",
  "user_correction",
  "code_review",
] as const satisfies TypeName[];

/** JSON that some field takes, nearly takes, or never takes. */
const value = fc.oneof(
  fc.constantFrom(
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "5.0",
    "0.5",
    "100",
    "100.5",
    "1e400",
    "-1e400",
    "9007199254740991",
    "9007199254740992",
    '""',
    '"x"',
    '"\\u0000"',
    '"\\ud800"',
    '"staging"',
    '"minor"',
    '"2026-05-01"',
    '"2026-02-30"',
    "[]",
    '["x"]',
    '["x",1]',
    '["\\udc00"]',
    "[null]",
    "{}",
    '{"__proto__":{"tags":["x"]}}',
    '{"constructor":1}',
    `"${"🦊".repeat(256)}"`,
    `"${"x".repeat(257)}"`,
  ),
  fc.json({ maxDepth: 2 }),
);

type Change = readonly [path: readonly string[], json: string | undefined];

function changed(object: unknown, [path, json]: Change): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return json === undefined ? null : JSON.parse(json);
  if (typeof object !== "object" || object === null) return object;
  const entries = Object.entries(object).filter(([own]) => own !== key);
  const inner: unknown = Object.getOwnPropertyDescriptor(object, key)?.value;
  const kept = rest.length === 0 && json === undefined ? [] : [[key, changed(inner, [rest, json])] as const];
  return Object.fromEntries([...entries, ...kept]);
}

function pathsOf(type: TypeName): string[][] {
  const outer = ["pattern_id", "pattern_type", "timestamp", "data", "context", "version", "__proto__"];
  const data = [...Object.keys(DATA[type]), "__proto__", "other"].map((key) => ["data", key]);
  const context = [...Object.keys(CONTEXT), "__proto__"].map((key) => ["context", key]);
  return [[], ...outer.map((key) => [key]), ...data, ...context];
}

describe("the fast predicate", () => {
  test.each(TYPES)("says of %s what valibot says", (type) => {
    const seed = newSeed(`predicate of ${type}`);
    const schema = patternSchemas(DECLARED).get(type);
    if (!schema) throw new Error(`expected a schema of ${type}`);
    const accepts = predicateOf(schema);
    const change = fc.tuple(fc.constantFrom(...pathsOf(type)), fc.option(value, { nil: undefined }));
    const said = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(fc.array(change, { maxLength: 3 }), (changes) => {
        const pattern = changes.reduce<unknown>(changed, whole(type));
        const isValid = v.safeParse(schema, pattern).success;
        expect(accepts(pattern)).toBe(isValid);
        said[isValid ? "accepted" : "refused"] += 1;
      }),
      { seed, numRuns: 1500 },
    );
    // Neither answer may be a rarity, or the property says little.
    expect(Math.min(said.accepted, said.refused)).toBeGreaterThan(100);
  });
});
