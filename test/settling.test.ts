import fc from "fast-check";
import { expect, test } from "vitest";
import type { Sender, Settlement } from "../src/pattern/settlement.ts";
import { Condition } from "../src/queue/retry.ts";
import { type Decided, Settling } from "../src/queue/settling.ts";
import { newSeed } from "./process/patterns.ts";
import { Recorder } from "./queue-fixture.ts";

const STORED: Settlement = { kind: "stored" };

function rejected(text: string): Settlement {
  const line = { rejection: { code: "invalid_json", message: text }, bytes: Buffer.from(text) } as const;
  return { kind: "rejected", line };
}

const by = (sender: Sender, ...settlements: Settlement[]): Decided[] => [
  { sender, settlements, bytes: settlements.length },
];

/** A folder that keeps nothing until it is told to. */
function settlingWith() {
  const unexpected = (error?: unknown) => {
    throw error ?? new Error("nothing fails here");
  };
  const kept: string[] = [];
  const waiting: (() => void)[] = [];
  let bytes = 0;
  const settling = new Settling({
    keepRejected: async (lines) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      kept.push(...lines.map(({ rejection }) => rejection.message));
    },
    rejecting: new Condition(unexpected, unexpected),
    onSettled: (line) => {
      bytes += line.bytes;
    },
    onKept: () => {},
    onDefect: unexpected,
  });
  return { settling, kept, waiting, settledBytes: () => bytes };
}

test("only who sent a rejected line waits for it, with all that it sends meanwhile", async () => {
  const { settling, kept, waiting, settledBytes } = settlingWith();
  const [good, bad] = [new Recorder(), new Recorder()];
  settling.add([...by(good, STORED), ...by(bad, STORED, rejected("x")), ...by(good, STORED)]);
  expect([good.settled.length, good.flushes, bad.settled.length]).toEqual([2, 1, 0]);
  settling.add([...by(bad, STORED), ...by(good, STORED)]);
  expect([good.settled.length, bad.settled.length, settledBytes(), settling.lateBytes]).toEqual([3, 0, 3, 3]);
  let isSettled = false;
  const settled = settling.settled().then(() => {
    isSettled = true;
  });
  await new Promise(setImmediate);
  expect([kept, isSettled]).toEqual([[], false]);
  waiting.shift()?.();
  await settled;
  expect(kept).toEqual(["x"]);
  expect(bad.settled).toEqual([STORED, rejected("x"), STORED]);
  expect([settledBytes(), settling.lateBytes]).toEqual([6, 0]);
  settling.add(by(bad, STORED));
  expect(bad.settled).toHaveLength(4);
});

test("what waits is kept piece by piece, and its senders are told of it when all is kept", async () => {
  const { settling, kept, waiting } = settlingWith();
  const sender = new Recorder();
  const texts = ["a", "b", "c", "d"].map((letter) => letter.repeat(600_000));
  settling.add(by(sender, ...texts.map(rejected)));
  for (const [count, isTold] of [
    [2, false],
    [4, true],
  ] as const) {
    waiting.shift()?.();
    await new Promise(setImmediate);
    expect([kept, sender.settled.length > 0]).toEqual([texts.slice(0, count), isTold]);
  }
  expect(waiting).toEqual([]);
});

test("what was kept already is not kept again, and waits for nobody", () => {
  const { settling, waiting } = settlingWith();
  const sender = new Recorder("replayed");
  settling.add(by(sender, rejected("x")));
  expect([sender.settled, waiting]).toEqual([[rejected("x")], []]);
});

test("whoever waits for what is given up waits no longer, and nothing of it is settled", async () => {
  const { settling } = settlingWith();
  const sender = new Recorder();
  settling.add(by(sender, rejected("x")));
  const settled = settling.settled();
  settling.abandon();
  await settled;
  expect(sender.settled).toEqual([]);
});

test("each sender is told of its lines in their order, each once, and rejected ones are kept before, once", async () => {
  const seed = newSeed("settling");
  const batch = fc.array(fc.tuple(fc.nat({ max: 3 }), fc.boolean()), { maxLength: 8 });
  const steps = fc.array(fc.oneof(batch, fc.constant("keep" as const)), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const { settling, kept, waiting } = settlingWith();
      const senders = [0, 1, 2, 3].map(() => new Recorder());
      const sent: Settlement[][] = [[], [], [], []];
      let count = 0;
      for (const one of all) {
        if (one === "keep") {
          waiting.shift()?.();
          await new Promise(setImmediate);
        } else {
          const lines = one.flatMap(([at, isBad]) => {
            count += 1;
            const settlement = isBad ? rejected(`${count}`) : STORED;
            sent[at]?.push(settlement);
            return by(senders[at] ?? new Recorder(), settlement);
          });
          settling.add(lines);
        }
        for (const [at, sender] of senders.entries()) {
          expect(sender.settled).toEqual(sent[at]?.slice(0, sender.settled.length));
          for (const settlement of sender.settled) {
            if (settlement.kind === "rejected") expect(kept).toContain(settlement.line.rejection.message);
          }
        }
      }
      const end = settling.settled();
      for (let left = all.length; left > 0; left -= 1) {
        waiting.shift()?.();
        await new Promise(setImmediate);
      }
      await end;
      expect(senders.map(({ settled }) => settled)).toEqual(sent);
      expect(new Set(kept).size).toBe(kept.length);
    }),
    { seed, numRuns: 300 },
  );
});
