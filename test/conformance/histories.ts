/** Any order of saving, deleting, forgetting, compressing and opening again, against the model. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Pattern } from "../../src/pattern/pattern.ts";
import type { Backend, Exceptions } from "../../src/store/backend.ts";
import { filters, instantOf, instants, Model, patterns, walk } from "./patterns.ts";
import { type Open, Place } from "./place.ts";
import { ALL_DAYS, dayOf } from "./upkeep.ts";

type Step =
  | { readonly does: "write"; readonly patterns: Pattern[] }
  | { readonly does: "delete"; readonly cutoff: bigint; readonly exceptions: Exceptions }
  | { readonly does: "forget"; readonly ids: readonly string[] }
  | { readonly does: "compress"; readonly before: number }
  | { readonly does: "reopen" };

const bound = instants.map(instantOf);
const exceptions: fc.Arbitrary<Exceptions> = fc.record(
  {
    byType: fc.dictionary(fc.constantFrom("note", "task_completion", "none"), bound, { maxKeys: 2 }),
    keepTags: fc.uniqueArray(fc.constantFrom("a", "한", "", "none"), { maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant("write" as const),
      patterns: fc.array(patterns, { maxLength: 6 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant("delete" as const), cutoff: bound, exceptions }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("forget" as const),
      ids: fc.uniqueArray(fc.constantFrom("1", "2", "\u{1f98a}", "none"), { maxLength: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant("compress" as const),
      before: fc.constantFrom(dayOf("2026-05-01"), dayOf("2026-05-02"), ALL_DAYS),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ does: "reopen" as const }) },
);

/** What a census says: by `day type` how many are old, and whether that is most of them. */
async function countsOf(backend: Backend, cutoff: bigint, exceptions: Exceptions) {
  const { isMost, shares } = await backend.countOlderThan(cutoff, exceptions);
  expect(shares.map(({ day }) => day)).toEqual(shares.map(({ day }) => day).sort((a, b) => a - b));
  return [isMost, Object.fromEntries(shares.map(({ day, type, patterns }) => [`${day} ${type}`, patterns]))];
}

export function histories(open: Open): void {
  test("any history, any question: as the model says, to the writer and to a reader", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(step, filters), { minLength: 1, maxLength: 14 }),
        fc.integer({ min: 1, max: 4 }),
        async (history, limit) => {
          const place = new Place(open);
          const model = new Model();
          let backend: Backend = await place.open();
          const reader = await place.open({ readOnly: true });
          for (const [taken, filter] of history) {
            if (taken.does === "write")
              expect(await backend.write(taken.patterns)).toEqual(model.write(taken.patterns));
            if (taken.does === "delete") {
              const { cutoff, exceptions } = taken;
              const counts = model.countOlderThan(cutoff, exceptions);
              const old = Object.values(counts).reduce((sum, count) => sum + count, 0);
              for (const store of [backend, reader])
                expect(await countsOf(store, cutoff, exceptions)).toEqual([2 * old > model.size, counts]);
              expect(await backend.deleteOlderThan(cutoff, exceptions)).toBe(
                model.deleteOlderThan(cutoff, exceptions),
              );
              expect(await countsOf(backend, cutoff, exceptions)).toEqual([false, {}]);
            }
            if (taken.does === "forget")
              expect(await backend.forget(taken.ids)).toBe(model.forget(taken.ids));
            if (taken.does === "compress") await backend.compress(taken.before);
            if (taken.does === "reopen") {
              await backend.close();
              backend = await place.open();
            }
            expect(await walk(backend, {}, limit)).toEqual(model.lines({}));
            expect(await walk(reader, filter, limit)).toEqual(model.lines(filter));
            for (const id of ["1", "\u{1f98a}", "a/b"]) expect(await backend.get(id)).toBe(model.get(id));
          }
          await place.remove();
        },
      ),
      { numRuns: 80 },
    );
  }, 60_000);
}
