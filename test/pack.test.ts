import fc from "fast-check";
import { expect, test } from "vitest";
import { packPatterns, transferOf, unpackPatterns } from "../src/pattern/pack.ts";

const word = fc.option(fc.string(), { nil: undefined });
const pattern = fc.record({
  id: fc.string(),
  type: fc.string(),
  timestamp: fc.string(),
  instant: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  tags: fc.array(fc.string()),
  agents: fc.array(fc.string()),
  project: word,
  session: word,
  host: word,
  line: fc.uint8Array(),
});

test("what crosses to another thread arrives as it was", () => {
  fc.assert(
    fc.property(fc.array(pattern), (patterns) => {
      const packed = packPatterns(patterns);
      expect(unpackPatterns(structuredClone(packed, { transfer: transferOf(packed) }))).toEqual(patterns);
    }),
  );
});
