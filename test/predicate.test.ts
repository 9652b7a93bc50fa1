import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { predicateOf } from "../src/pattern/predicate.ts";
import { patternSchemas } from "../src/pattern/schema.ts";
import { changed, changesOf, TYPES } from "./pattern-changes.ts";
import { DECLARED, whole } from "./pattern-fixture.ts";
import { newSeed } from "./process/patterns.ts";

describe("the fast predicate", () => {
  test.each(TYPES)("says of %s what valibot says", (type) => {
    const seed = newSeed(`predicate of ${type}`);
    const schema = patternSchemas(DECLARED).get(type);
    if (!schema) throw new Error(`expected a schema of ${type}`);
    const accepts = predicateOf(schema);
    const said = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(changesOf(type), (changes) => {
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
