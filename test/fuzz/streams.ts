/** Streams of lines of every kind, and ways to cut them. */
import fc from "fast-check";
import { changed, changesOf, TYPES } from "../pattern-changes.ts";
import { whole } from "../pattern-fixture.ts";
import { SHAPES, TOKENS } from "./shapes.ts";

/** Patterns with something changed by its meaning: about half of them are still valid. */
const pattern = fc
  .constantFrom(...TYPES)
  .chain((type) => fc.tuple(fc.constant(type), fc.uuid(), changesOf(type), fc.constantFrom(undefined, 1)))
  .map(([type, id, changes, space]) => {
    const own: unknown = { ...whole(type), pattern_id: `fuzz-${id}` };
    return Buffer.from(JSON.stringify(changes.reduce(changed, own), null, space).replaceAll("\n", " "));
  });

interface Mutation {
  readonly kind: "insert" | "remove" | "repeat" | "flip" | "cut";
  readonly at: number;
  readonly length: number;
  readonly token: string;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom("insert", "remove", "repeat", "flip", "cut"),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 1, max: 12 }),
  token: fc.constantFrom(...TOKENS),
});

function mutated(line: Buffer, { kind, at, length, token }: Mutation): Buffer {
  const start = Math.floor(at * line.length);
  const [before, part, after] = [
    line.subarray(0, start),
    line.subarray(start, start + length),
    line.subarray(start + length),
  ];
  switch (kind) {
    case "insert":
      return Buffer.concat([before, Buffer.from(token), part, after]);
    case "remove":
      return Buffer.concat([before, after]);
    case "repeat":
      return Buffer.concat([before, ...Array.from({ length }, () => part), after]);
    case "flip":
      return Buffer.concat([before, part.map((byte) => byte ^ (1 << (length % 8))), after]);
    case "cut":
      return before;
  }
}

const line = fc.oneof(
  { weight: 8, arbitrary: pattern },
  {
    weight: 4,
    arbitrary: fc
      .tuple(pattern, fc.array(mutation, { minLength: 1, maxLength: 3 }))
      .map(([text, steps]) => steps.reduce(mutated, text)),
  },
  { weight: 3, arbitrary: fc.constantFrom(...SHAPES) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...SHAPES), mutation).map(([text, step]) => mutated(text, step)),
  },
  { weight: 1, arbitrary: fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
);
const ending = fc.constantFrom("\n", "\n", "\n", "\r\n", "\r\r\n", "\n\n", " \n", "\n\t\r\n");

/** Mostly a few lines, sometimes enough that they are parsed in threads. */
export const stream = fc
  .tuple(
    fc.constantFrom("", "", "\ufeff"),
    fc.oneof(
      { weight: 9, arbitrary: fc.array(fc.tuple(line, ending), { maxLength: 20 }) },
      {
        weight: 1,
        arbitrary: fc.array(fc.tuple(line, ending), { minLength: 60, maxLength: 150, size: "max" }),
      },
    ),
    fc.option(line, { nil: Buffer.alloc(0) }),
  )
  .map(([mark, lines, last]) => {
    const parts = lines.flatMap(([text, end]) => [text, Buffer.from(end)]);
    return Buffer.concat([Buffer.from(mark), ...parts, last]);
  })
  // A first line that says hello is another conversation.
  .filter((bytes) => !bytes.includes('"hello"'));

/** Lengths of chunks, taken in turn. */
export const cuts = fc.oneof(
  fc.constant([1 << 20]),
  fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 4 }),
  fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 8 }),
);

export function* chunksOf(bytes: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let start = 0, turn = 0; start < bytes.length; turn += 1) {
    const end = start + (lengths[turn % lengths.length] ?? 1);
    yield bytes.subarray(start, end);
    start = end;
  }
}
