import { appendFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { PatterndError } from "../src/errors.ts";
import { lineIn } from "../src/pattern/lines.ts";
import type { Judge } from "../src/queue/rejected/judges.ts";
import type { RejectedLines } from "../src/queue/rejected/rejected.ts";
import { RejectedReview } from "../src/queue/rejected/replay.ts";
import { newSeed } from "./process/patterns.ts";
import { allIn, LINE_BYTES, line, newFolder, openAt, storing, textsOf } from "./rejected-fixture.ts";

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

test("reads back bytes of any kind, in records that cross the blocks of the reader", async () => {
  const folder = newFolder();
  const seed = newSeed("kept lines");
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: "binary", maxLength: 300 }).map((text) => Buffer.from(text.toWellFormed())),
    fc.integer({ min: 60_000, max: 66_000 }).map((length) => Buffer.alloc(length, "\u0001")),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 12 }), async (contents) => {
      rmSync(folder, { recursive: true, force: true });
      const lines = openAt(folder, "2026-11-22T10:00:00Z");
      await lines.keep(contents.map((bytes) => line(bytes)));
      const kept = (await allIn(folder)).reverse();
      expect(kept.map(({ bytes }) => latin1(bytes))).toEqual(
        contents.map((bytes) => latin1(bytes.subarray(0, 65_536))),
      );
      expect(kept.map(({ length }) => length)).toEqual(contents.map(({ length }) => length));
      const seen: string[] = [];
      await new RejectedReview(lines, LINE_BYTES).replay(
        {},
        async (entries) => {
          for (const entry of entries)
            if (entry.kind === "lines") seen.push(latin1(lineIn(entry.block, 0).bytes));
          return entries.map(() => "invalid_json");
        },
        false,
      );
      expect(seen).toEqual(kept.filter(({ isWhole }) => isWhole).map(({ bytes }) => latin1(bytes)));
    }),
    { seed, numRuns: 40 },
  );
});

type Step =
  | { readonly kind: "keep"; readonly day: number; readonly lines: number }
  | {
      readonly kind: "replay";
      readonly accepts: number;
      readonly diesAfter: number;
      readonly meanwhile: number;
    }
  | { readonly kind: "torn"; readonly day: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("keep" as const),
    day: fc.integer({ min: 20, max: 22 }),
    lines: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({
    kind: fc.constant("replay" as const),
    accepts: fc.integer({ min: 0, max: 4 }),
    diesAfter: fc.integer({ min: 0, max: 4 }),
    meanwhile: fc.integer({ min: 0, max: 2 }),
  }),
  fc.record({ kind: fc.constant("torn" as const), day: fc.integer({ min: 20, max: 22 }) }),
);

test("however lines are kept and replays end, each line is stored or kept, and kept at most once", async () => {
  const folder = newFolder();
  const seed = newSeed("replays");
  let died = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      rmSync(folder, { recursive: true, force: true });
      const sent: string[] = [];
      const stored: string[] = [];
      const keep = async (lines: RejectedLines, count: number) => {
        const batch = Array.from({ length: count }, (_, index) => `${sent.length + index}`);
        sent.push(...batch);
        await lines.keep(batch.map((text) => line(text)));
      };
      const lines = (day: number) => openAt(folder, `2026-11-${day}T10:00:00Z`);
      for (const one of steps) {
        if (one.kind === "keep") await keep(lines(one.day), one.lines);
        else if (one.kind === "torn") {
          if (existsSync(folder)) appendFileSync(join(folder, `2026-11-${one.day}.ndjson`), '{"time":"20');
        } else {
          const today = lines(22);
          let calls = 0;
          const accepting = storing(stored, (text) => Number(text) % 5 < one.accepts);
          const judge: Judge = async (entries) => {
            const verdicts = await accepting(entries);
            await keep(today, one.meanwhile);
            calls += 1;
            // What was stored is not said any more: as in a crash.
            if (calls > one.diesAfter) throw new PatterndError("store_failed", "died");
            return verdicts;
          };
          const replayed = new RejectedReview(today, LINE_BYTES).replay({}, judge, false);
          await replayed.catch((error: unknown) => {
            expect(error).toMatchObject({ message: "died" });
            died += 1;
          });
        }
        const kept = textsOf(await allIn(folder));
        expect(new Set(kept).size).toBe(kept.length);
        expect(sent.filter((text) => !kept.includes(text) && !stored.includes(text))).toEqual([]);
      }
      const last = new RejectedReview(lines(22), LINE_BYTES);
      await last.replay(
        {},
        storing(stored, () => true),
        false,
      );
      expect(await allIn(folder)).toEqual([]);
      expect(new Set(stored)).toEqual(new Set(sent));
    }),
    { seed, numRuns: 150 },
  );
  expect(died).toBeGreaterThan(10);
});
