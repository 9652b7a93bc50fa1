import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Position } from "../../src/store/backend.ts";
import { AT, EARLIER, filters, instantOf, LATER, lineOf, note, parse, walk } from "./patterns.ts";
import { type Open, Place } from "./place.ts";

export function asking(open: Open): void {
  test("an empty store has nothing to count", async () => {
    const backend = await new Place(open).open();
    expect(await backend.stats()).toMatchObject({
      patterns: 0,
      byType: {},
      oldest: undefined,
      newest: undefined,
    });
  });

  test("each pattern counts once, whatever became of its older versions", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const correction = { original_output: "", corrected_output: "", correction_type: "", agent: "" };
    await backend.write([
      note("a", { at: EARLIER }),
      note("b"),
      note("c", { at: LATER }),
      note("d", { type: "user_correction", data: correction }),
    ]);
    await backend.write([
      note("a", { at: LATER }),
      note("c", { at: EARLIER }),
      note("b", { data: { n: 2 } }),
    ]);
    const counts = {
      patterns: 4,
      byType: { note: 3, user_correction: 1 },
      oldest: instantOf(AT),
      newest: instantOf(LATER),
    };
    expect(await backend.stats()).toMatchObject(counts);
    await backend.compress(dayAfter(LATER));
    expect(await backend.stats()).toMatchObject(counts);
    await backend.close();
    const reader = await place.open({ readOnly: true });
    expect(await reader.stats()).toMatchObject(counts);
    expect((await reader.stats()).bytes).toBeGreaterThan(0);
  });

  test("counts are those of a walk through everything", async () => {
    const backend = await new Place(open).open();
    for (let batch = 0; batch < 8; batch += 1) {
      const ids = Array.from({ length: 300 }, (_, n) => (n * 7 + batch * 131) % 900);
      await backend.write(ids.map((id, n) => note(`n${id}`, { at: minute(id * 5 + n), data: { batch } })));
    }
    const lines = await walk(backend);
    const instants = lines.map((line) => parse(line).instant);
    expect(await backend.stats()).toMatchObject({
      patterns: lines.length,
      newest: instants[0],
      oldest: instants.at(-1),
    });
  });

  test("a page that has no time goes on where it ended, and nothing is lost or repeated", async () => {
    const backend = await new Place(open).open();
    const patterns = Array.from({ length: 1200 }, (_, n) =>
      note(`n${n}`, { at: minute(n * 11), data: { n } }),
    );
    for (let start = 0; start < patterns.length; start += 400)
      await backend.write(patterns.slice(start, start + 400));
    const wanted = patterns.slice(100, 101).map(lineOf);
    const filter = { where: [{ path: "data.n", value: "100" }] };
    const found: string[] = [];
    let pages = 0;
    let after: Position | undefined;
    do {
      const page = await backend.query(filter, { limit: 5, after, lookMs: 0 });
      found.push(...page.lines);
      pages += 1;
      after = page.next;
    } while (after);
    expect(found).toEqual(wanted);
    expect(pages).toBeGreaterThan(1);
  });

  test("a page that has no time is not ended for nothing: many short ones would look at the same lines again and again", async () => {
    const backend = await new Place(open).open();
    // Any part of what was written spans the whole day.
    const patterns = Array.from({ length: 1300 }, (_, n) =>
      note(`n${n}`, { at: minute((n * 37) % 1300), data: { text: "x".repeat(1000) } }),
    );
    await backend.write(patterns);
    let pages = 0;
    const counted = {
      query: (filter: object, page: object) => {
        pages += 1;
        return backend.query(filter, { limit: 10_000, ...page, lookMs: 0 });
      },
    };
    expect(await walk(counted, {}, 10_000)).toEqual(await walk(backend, {}, 10_000));
    expect(pages).toBeLessThan(10);
  });

  test("pages without time say the same as pages with time, for any filter", async () => {
    const backend = await new Place(open).open();
    const data = (n: number) => ({
      agent: n % 3 ? "a" : "b",
      success: n % 2 === 0,
      text: n % 5 ? "task" : "\u00c4",
    });
    const patterns = Array.from({ length: 700 }, (_, n) =>
      note(`n${n}`, { at: minute(n * 13), data: data(n) }),
    );
    await backend.write(patterns);
    await fc.assert(
      fc.asyncProperty(filters, fc.constantFrom(1, 7, 1000), async (filter, limit) => {
        const hurried = {
          query: (asked: typeof filter, page: object) => backend.query(asked, { limit, ...page, lookMs: 0 }),
        };
        expect(await walk(hurried, filter, limit)).toEqual(await walk(backend, filter, limit));
      }),
      { numRuns: 30 },
    );
  });

  test("a page ends before its lines exceed the bytes that are asked for", async () => {
    const backend = await new Place(open).open();
    await backend.write(["a", "b", "c"].map((id) => note(id, { data: { text: "x".repeat(400) } })));
    const page = await backend.query({}, { limit: 100, maxBytes: 1000 });
    expect(page.lines).toHaveLength(2);
    expect(page.next?.id).toBe("b");
  });
}

function minute(n: number): string {
  return new Date(Date.parse(AT) + n * 60_000).toISOString();
}

function dayAfter(timestamp: string): number {
  return Math.floor(Date.parse(timestamp) / 86_400_000) + 1;
}
