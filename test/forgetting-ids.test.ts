/** Which lines outside of the store hold an id that is to be forgotten. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { withIds } from "../src/forgetting/meant.ts";
import { WrittenIds } from "../src/forgetting/written-ids.ts";
import { newSeed } from "./process/patterns.ts";

/** The same, said simply: one id after the other. */
function standsIn(ids: readonly string[], bytes: Buffer): boolean {
  return ids.some((id) => {
    const once = JSON.stringify(id);
    const twice = JSON.stringify(once).slice(1, -1);
    return bytes.includes(once) || bytes.includes(twice);
  });
}

/** What quotes, escapes and texts without an end are made of. */
const scrap = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('"', "\\", '\\"', "\\\\", "\\u00e9", "\\n", "a", "b", " ", ":") },
  { weight: 2, arbitrary: fc.constantFrom("é", "🦊", "\n", "\u0001", "\u007f", "\ud83d", "�") },
  fc.string({ unit: "binary", maxLength: 3 }),
);
const scraps = fc.array(scrap, { maxLength: 6 }).map((all) => all.join(""));

test("in any line, those that the simple search finds and no others", () => {
  const line = scraps.chain((id) =>
    fc
      .tuple(fc.array(scraps, { minLength: 1, maxLength: 4 }), fc.integer({ min: 0, max: 4 }))
      .chain(([more, form]) => {
        const once = JSON.stringify(id);
        const written = [id, once, JSON.stringify(once), JSON.stringify(JSON.stringify(once)), once.slice(1)];
        return fc.tuple(scraps, scraps, fc.boolean()).map(([before, after, isMeant]) => ({
          ids: isMeant ? [id, ...more] : more,
          bytes: Buffer.from(before + written[form] + after),
        }));
      }),
  );
  let found = 0;
  fc.assert(
    fc.property(line, ({ ids, bytes }) => {
      const expected = standsIn(ids, bytes);
      if (expected) found += 1;
      expect(new WrittenIds(new Set(ids)).standIn(bytes)).toBe(expected);
    }),
    { seed: newSeed("written ids"), numRuns: 20_000 },
  );
  expect(found).toBeGreaterThan(2_000);
});

test("in bytes that are no text, too", () => {
  const bytes = fc.uint8Array({ maxLength: 12 });
  const id = fc.constantFrom("a", "é", "�", "🦊", "\\", '"');
  const line = fc.tuple(bytes, id, bytes, fc.array(id, { minLength: 1, maxLength: 3 }));
  fc.assert(
    fc.property(line, ([before, there, after, ids]) => {
      const all = Buffer.concat([before, Buffer.from(JSON.stringify(there)), after]);
      expect(new WrittenIds(new Set(ids)).standIn(all)).toBe(standsIn(ids, all));
    }),
    { seed: newSeed("written ids in bytes"), numRuns: 5_000 },
  );
});

test("a line that can be read is meant by its own id alone", () => {
  const isMeant = withIds(new WrittenIds(new Set(["a", 'b"'])));
  const lines = [
    '{"pattern_id":"c","data":"a"}',
    '{"pattern_id":"b\\""}',
    '{"pattern_id":1,"of":"a"}',
    '["a"]',
    '"a',
  ];
  expect(lines.map((line) => isMeant(Buffer.from(line)))).toEqual([false, true, true, true, false]);
});

test.each([
  ["without quotes", `{broken ${"y".repeat(150)}`],
  ["of nothing but quotes", '\\"'.repeat(1_000)],
])("a thousand broken lines %s take no time to speak of, however many ids there are", (_, text) => {
  const ids = Array.from({ length: 38_000 }, (_, n) => `${"d".repeat(n % 200)}-n${n}`);
  const line = Buffer.from(text);
  const started = performance.now();
  const isMeant = withIds(new WrittenIds(new Set(ids)));
  for (let n = 0; n < 1_000; n += 1) expect(isMeant(line)).toBe(false);
  expect(performance.now() - started).toBeLessThan(2_000);
});
