import fc from "fast-check";
import { expect, test } from "vitest";
import { type LineBlock, lineIn, linesIn } from "../src/pattern/lines.ts";
import { type HeldBlock, Slabs } from "../src/queue/slabs.ts";
import { Waiting } from "../src/queue/waiting.ts";
import { newSeed } from "./process/patterns.ts";
import { Recorder } from "./queue-fixture.ts";

const MIB = 1024 * 1024;

/** Lines of these lengths, each of one letter, in a chunk that others use later. */
function blockOf(lengths: readonly number[], letter: string): LineBlock {
  const bounds: number[] = [];
  let at = 1;
  for (const length of lengths) {
    bounds.push(at, at + length);
    at += length + 1;
  }
  const bytes = Buffer.alloc(at, "\n");
  for (let line = 0; line < lengths.length; line += 1)
    bytes.fill(letter, bounds[2 * line], bounds[2 * line + 1]);
  return { bytes, bounds, terminated: true };
}

function textsOf(block: LineBlock): string[] {
  return Array.from({ length: linesIn(block) }, (_, place) => lineIn(block, place).bytes.toString());
}

test("what is held stays as it was until it is released, whoever lies beside it", () => {
  const seed = newSeed("slabs");
  const lengths = fc.array(fc.oneof(fc.nat(300), fc.nat(300_000), fc.constant(MIB + 1)), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(lengths, fc.option(fc.nat())), { maxLength: 20 }), (steps) => {
      const slabs = new Slabs();
      const held: { block: HeldBlock; texts: string[] }[] = [];
      for (const [step, [of, released]] of steps.entries()) {
        const block = blockOf(of, String.fromCharCode(65 + step));
        const texts = textsOf(block);
        held.push({ block: slabs.hold(block), texts });
        block.bytes.fill("?");
        if (released === null) continue;
        const [gone] = held.splice(released % held.length, 1);
        // Half of it lives on by itself.
        if (gone && released % 2 === 0) {
          held.push({ block: gone.block.part(0, 1), texts: gone.texts.slice(0, 1) });
        }
        gone?.block.release();
        for (const { block, texts } of held) expect(textsOf(block.block)).toEqual(texts);
      }
    }),
    { seed, numRuns: 60 },
  );
});

test("memory that is released is used again", () => {
  const slabs = new Slabs();
  const seen = new Set<ArrayBufferLike>();
  for (let count = 0; count < 100; count += 1) {
    const held = slabs.hold(blockOf([MIB / 2], "x"));
    seen.add(held.block.bytes.buffer);
    held.release();
  }
  expect(seen.size).toBe(1);
});

test("after a rush its memory is given back, but for a little", () => {
  const slabs = new Slabs();
  const rush = (seen: Set<ArrayBufferLike>) => {
    const held = Array.from({ length: 40 }, () => slabs.hold(blockOf([MIB / 2], "x")));
    for (const one of held) {
      seen.add(one.block.bytes.buffer);
      one.release();
    }
  };
  const first = new Set<ArrayBufferLike>();
  const second = new Set<ArrayBufferLike>();
  const third = new Set<ArrayBufferLike>();
  rush(first);
  rush(second);
  const known = (seen: Set<ArrayBufferLike>) => [...seen].filter((memory) => first.has(memory)).length;
  expect([known(second), second.size]).toEqual([first.size, first.size]);
  slabs.trim();
  rush(third);
  expect(known(third)).toBeLessThan(10);
});

test("batches hold what waits, in order, each line once, and not more than is asked for", () => {
  const seed = newSeed("batches");
  const entry = fc.oneof(
    fc.array(fc.nat(30), { minLength: 1, maxLength: 12 }),
    fc.constant("refused" as const),
  );
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), fc.integer({ min: 1, max: 9 }), (entries, most) => {
      const waiting = new Waiting();
      const sender = new Recorder();
      const put: string[] = [];
      for (const [at, one] of entries.entries()) {
        if (one === "refused") {
          const line = {
            rejection: { code: "line_too_long", message: "" },
            bytes: Buffer.from(`${at}`),
          } as const;
          expect(waiting.put(sender, { kind: "rejected", line })).toBe(1);
          put.push(`refused ${at}`);
        } else {
          const block = blockOf(one, String.fromCharCode(65 + at));
          expect(waiting.put(sender, { kind: "lines", block })).toBe(one.length);
          put.push(...textsOf(block));
        }
      }
      const taken: string[] = [];
      while (waiting.bytes > 0) {
        const { queued, lines } = waiting.take(most, MIB);
        const texts = queued.flatMap(({ entry }) =>
          entry.kind === "lines" ? textsOf(entry.held.block) : [`refused ${entry.line.bytes}`],
        );
        expect(texts.length).toBeLessThanOrEqual(most);
        expect(texts.length).toBe(queued.reduce((sum, one) => sum + one.lines, 0));
        expect(Array.from(lines, ({ bytes }) => bytes.toString())).toEqual(
          texts.filter((text) => !text.startsWith("refused")),
        );
        taken.push(...texts);
      }
      expect(taken).toEqual(put);
      expect(waiting.fills(1, 1)).toBe(false);
    }),
    { seed },
  );
});
