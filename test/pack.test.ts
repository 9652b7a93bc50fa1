import fc from "fast-check";
import { expect, test } from "vitest";
import { packLines, parseLines, patternsAmong, transferOfLines } from "../src/pattern/batch.ts";
import { BatchMemory, isReusable } from "../src/pattern/batch-memory.ts";
import { type LineBlock, Lines } from "../src/pattern/lines.ts";
import { transferOf } from "../src/pattern/packed.ts";
import { PatternParser } from "../src/pattern/parse.ts";
import type { Pattern } from "../src/pattern/pattern.ts";
import { PatternWindow, unpackPatterns } from "../src/pattern/unpack.ts";
import { Zone } from "../src/pattern/zone.ts";
import { changed, changesOf, TYPES } from "./pattern-changes.ts";
import { CONTEXT, DECLARED, whole } from "./pattern-fixture.ts";
import { newSeed } from "./process/patterns.ts";

const parser = new PatternParser({
  zone: new Zone("Europe/Berlin"),
  types: DECLARED,
  notCollected: new Set(["user_correction"]),
});

const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string(),
  fc.constantFrom("a\\b", '"', "\u007f", "é", "🦊"),
);
/** Texts of all kinds where they are indexed. */
const told = fc
  .record({
    type: fc.constantFrom(...TYPES),
    id: text,
    timestamp: fc.constantFrom(
      "2026-05-01T10:00:00.123456789+02:00",
      "2026-05-01",
      "2026-10-25 02:30",
      "9999",
      "2100-01-01",
    ),
    tags: fc.array(text, { maxLength: 4 }),
    agent: fc.oneof(text, fc.constant(7)),
    project: fc.option(text),
  })
  .map(({ type, id, timestamp, tags, agent, project }) =>
    JSON.stringify({
      ...whole(type, { ...CONTEXT, tags, agent, project_name: project, session_id: undefined }),
      pattern_id: id,
      timestamp,
    }),
  );
const otherwise = fc
  .constantFrom(...TYPES)
  .chain((type) =>
    changesOf(type).map((changes) => JSON.stringify(changes.reduce<unknown>(changed, whole(type)))),
  );
const line = fc.oneof(
  { weight: 4, arbitrary: told.map((json) => Buffer.from(json)) },
  { weight: 2, arbitrary: otherwise.map((json) => Buffer.from(json)) },
  fc.constantFrom("", "x", "{}", "null").map((json) => Buffer.from(json)),
  fc.constant(Buffer.from([0x22, 0xff, 0x22])),
);

/** As sockets give them: some lines in one piece of memory, with other bytes around and between them. */
const block = fc
  .tuple(fc.array(line, { minLength: 1, maxLength: 5 }), fc.constantFrom("\n", "\r\n", "\n \n"), fc.boolean())
  .map(([lines, between, terminated]): LineBlock => {
    const bounds: number[] = [];
    const parts = [Buffer.from("head\n")];
    let at = 5;
    for (const one of lines) {
      bounds.push(at, at + one.length);
      parts.push(one, Buffer.from(between));
      at += one.length + between.length;
    }
    return { bytes: Buffer.concat(parts), bounds, terminated: terminated || lines.length > 1 };
  });

function plain({
  id,
  hash: { high, low },
  type,
  timestamp,
  instant,
  tags,
  agents,
  project,
  session,
  host,
  line: bytes,
  lineBytes,
}: Pattern) {
  const text = Buffer.from(bytes).toString("latin1");
  return { id, high, low, type, timestamp, instant, tags, agents, project, session, host, text, lineBytes };
}

test("a batch that crosses two threads holds what its lines hold one by one", () => {
  const seed = newSeed("packing");
  const seen = { patterns: 0, refused: 0 };
  const shown = new PatternWindow();
  fc.assert(
    fc.property(fc.array(block, { maxLength: 4 }), (blocks) => {
      const lines = new Lines(blocks);
      const expected = patternsAmong(parser, lines);
      const packed = packLines(lines, false);
      const there = structuredClone(packed, { transfer: transferOfLines(packed) });
      const { patterns, refused, firstId } = parseLines(parser, there);
      const back = structuredClone(patterns, { transfer: transferOf(patterns) });
      // One batch after the other, larger ones and smaller ones.
      expect(shown.over(back).map(plain)).toEqual(expected.patterns.map(plain));
      expect([refused, firstId]).toEqual([expected.refused, expected.firstId]);
      seen.patterns += expected.patterns.length;
      seen.refused += refused.size;
    }),
    { seed, numRuns: 1000 },
  );
  expect(Math.min(seen.patterns, seen.refused)).toBeGreaterThan(500);
});

test("memory of a batch that is written does for the next one, whatever stands in it", () => {
  const memory = new BatchMemory();
  const seen = new Set<ArrayBuffer>();
  for (let round = 0; round < 20; round += 1) {
    // Sometimes shorter than the one before, whose rest stands behind it then.
    const lines = Lines.of(
      Array.from({ length: 900 + (round % 3) }, (_, n) => ({
        bytes: Buffer.from(JSON.stringify({ ...whole("agent_usage"), pattern_id: `${round}-${n}` })),
        terminated: n % 2 === 0,
      })),
    );
    const expected = patternsAmong(parser, lines);
    const packed = packLines(lines, false, memory);
    seen.add(packed.bytes);
    const { patterns, refused } = parseLines(parser, packed);
    expect(refused.size).toBe(0);
    expect(unpackPatterns(patterns).map(plain)).toEqual(expected.patterns.map(plain));
    Buffer.from(patterns.bytes).fill(0xff, packed.bounds.at(-1));
    memory.give(patterns.bytes);
  }
  expect(seen.size).toBe(1);
  expect([...seen].every(isReusable)).toBe(true);
});

test("lines that were accepted before are bound, whatever is asked of new ones", () => {
  const old = [
    { ...whole("user_correction"), timestamp: "2200-01-01" },
    { ...whole("agent_usage"), data: {} },
    { ...whole("agent_usage"), pattern_type: "gone" },
  ].map((value) => Buffer.from(JSON.stringify(value)));
  const lines = Lines.of(old.map((bytes) => ({ bytes, terminated: true })));
  expect(parseLines(parser, packLines(lines, false)).refused.size).toBe(3);
  const { patterns, refused } = parseLines(parser, packLines(lines, true));
  expect(refused.size).toBe(0);
  expect(unpackPatterns(patterns).map(({ type }) => type)).toEqual([
    "user_correction",
    "agent_usage",
    "gone",
  ]);
});

test("a part of a batch has the lines of that part", () => {
  const seed = newSeed("parts of batches");
  fc.assert(
    fc.property(fc.array(block, { maxLength: 4 }), fc.nat(20), fc.nat(20), (blocks, from, to) => {
      const lines = new Lines(blocks);
      expect([...lines]).toHaveLength(lines.length);
      expect([...lines.slice(from, to)]).toEqual([...lines].slice(from, to));
    }),
    { seed },
  );
});
