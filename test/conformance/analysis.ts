import * as fc from "fast-check";
import { expect, test } from "vitest";
import { frameOf, msOf, type Periods, periodsOf } from "../../src/analysis/period.ts";
import { reportOf } from "../../src/analysis/report.ts";
import { Tally } from "../../src/analysis/tally.ts";
import type { TimelineFrame } from "../../src/analysis/timeline.ts";
import type { Filter } from "../../src/store/filter.ts";
import { AT, batches, filters, instantOf, instants, LATER, Model, note, parse } from "./patterns.ts";
import { type Open, Place } from "./place.ts";

const NOW = new Date("2026-05-02T12:00:00Z");

export function analysis(open: Open): void {
  test("any patterns, filter and period: as counted from the model's lines", async () => {
    const bound = fc.option(instants.map(instantOf), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(batches, filters, bound, bound, async (all, rest, start, end) => {
        const place = new Place(open);
        const backend = await place.open();
        const model = new Model();
        for (const batch of all) expect(await backend.write(batch)).toEqual(model.write(batch));
        const periods = periodsOf(start, end, NOW);
        const filter: Filter = {
          ...rest,
          ...(start === undefined ? {} : { start }),
          ...(end === undefined ? {} : { end }),
        };
        expect(await backend.analyse(filter, periods)).toEqual(counted(model, filter, periods));
        await place.remove();
      }),
      { numRuns: 40 },
    );
  });

  test("many patterns of few instants are each counted once, while others are asked for and written", async () => {
    const backend = await new Place(open).open();
    const many = Array.from({ length: 9_000 }, (_, n) =>
      note(`n${n}`, {
        at: n % 3 === 0 ? AT : `2026-05-01T10:00:00.00000000${n % 3}Z`,
        context: { tags: ["x"] },
      }),
    );
    await backend.write(many);
    const periods = periodsOf(undefined, undefined, NOW);
    for (const filter of [
      {},
      { tags: ["x"] },
      { patternType: "note" },
      { text: "note" },
    ] satisfies Filter[]) {
      const order: string[] = [];
      const analysed = backend.analyse(filter, periods).finally(() => order.push("analysed"));
      await backend.query({}, { limit: 1 }).finally(() => order.push("answered"));
      await backend.write([note("later", { at: LATER })]);
      const { patterns } = await analysed;
      expect([patterns.total, order]).toEqual([expect.any(Number), ["answered", "analysed"]]);
      expect(patterns.total - 9_000).toBeLessThanOrEqual(1);
      expect(patterns.total).toBeGreaterThanOrEqual(9_000);
    }
  });

  test("ends with the store", async () => {
    const backend = await new Place(open).open();
    await backend.write(Array.from({ length: 9_000 }, (_, n) => note(`n${n}`)));
    const analysed = backend.analyse({}, periodsOf(undefined, undefined, NOW));
    const refused = expect(analysed).rejects.toMatchObject({ code: "store_closed" });
    await backend.close();
    await refused;
  });
}

function counted(model: Model, filter: Filter, periods: Periods): object {
  const { before } = periods;
  const tallyOf = (of: Filter, frame: TimelineFrame) => {
    const tally = new Tally(frame);
    for (const line of model.lines(of)) {
      const { type, instant } = parse(line);
      tally.add(type, msOf(instant), line);
    }
    return tally;
  };
  const earlier = before && tallyOf({ ...filter, ...before }, frameOf({ ...before, before: undefined }));
  return reportOf(periods, tallyOf(filter, frameOf(periods)), earlier);
}
