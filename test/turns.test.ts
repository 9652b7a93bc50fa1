/** Turns are passed on whatever happens, in the order in which they were asked for. */
import { setImmediate } from "node:timers/promises";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { AskerGone, Turns } from "../src/control/turns.ts";
import { newSeed } from "./process/patterns.ts";

const STEPS = ["come", "end", "fail", "leave"] as const;

test("any comings and goings: as many at once as may, the first first, and all of them settled", async () => {
  const step = fc.tuple(fc.constantFrom(...STEPS), fc.nat(20));
  const history = fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(step), async (atOnce, steps) => {
    const turns = new Turns(atOnce);
    const running: { end: () => void; fail: (error: Error) => void; name: number }[] = [];
    let waiting: { leave: () => void; name: number }[] = [];
    const begun: number[] = [];
    const expected: number[] = [];
    const outcomes: Promise<PromiseSettledResult<void>[]>[] = [];
    const come = (name: number) => {
      const asker = new AbortController();
      const work = () =>
        new Promise<void>((end, fail) => {
          begun.push(name);
          waiting = waiting.filter((one) => one.name !== name);
          running.push({ end, fail, name });
        });
      waiting.push({ leave: () => asker.abort(), name });
      outcomes.push(Promise.allSettled([turns.run(asker.signal, work)]));
    };
    const settle = async () => {
      await setImmediate();
      expect(running.length).toBe(Math.min(atOnce, running.length + waiting.length));
      expect(turns.waiting).toBe(waiting.length);
    };
    for (const [index, [kind, place]] of steps.entries()) {
      if (kind === "come") {
        come(index);
        expected.push(index);
      } else if (kind === "leave") {
        const [leaving] = waiting.splice(place % (waiting.length || 1), 1);
        leaving?.leave();
        if (leaving) expected.splice(expected.indexOf(leaving.name), 1);
      } else {
        const [over] = running.splice(place % (running.length || 1), 1);
        if (kind === "end") over?.end();
        else over?.fail(new Error("failed"));
      }
      await settle();
    }
    while (running.length > 0) {
      for (const { end } of running.splice(0)) end();
      await settle();
    }
    expect(begun).toEqual(expected);
    await Promise.all(outcomes);
  });
  await fc.assert(history, { seed: newSeed("turns") });
});

test("who has gone before they ask has none, and who fails says why", async () => {
  const turns = new Turns(1);
  const gone = AbortSignal.abort();
  await expect(turns.run(gone, async () => 1)).rejects.toBeInstanceOf(AskerGone);
  const failure = new Error("failed");
  const { signal } = new AbortController();
  const fail = async () => {
    throw failure;
  };
  await expect(turns.run(signal, fail)).rejects.toBe(failure);
  expect(await turns.run(signal, async () => 1)).toBe(1);
});
