import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HEAD_BYTES, LineFramer, type SingleFrame, singleFrames } from "../src/ingest/framing.ts";
import { UnfinishedBudget } from "../src/ingest/unfinished.ts";
import { newSeed } from "./process/patterns.ts";

const MAX_LINE_BYTES = 12;
const PLENTY = 1024 * 1024;
const BYTE_ORDER_MARK = "\ufeff";

/** What a sender may put between and into lines, bytes that are not UTF-8 among them. */
const part = fc.oneof(
  fc.constantFrom("\n", "\n", "\r\n", "\r", " ", "\t", "{}", BYTE_ORDER_MARK, "é", "한", "🦊", "\0"),
  fc.string({ maxLength: 20 }),
);
const stream = fc
  .tuple(
    fc.boolean(),
    fc.array(
      fc.oneof(
        part.map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 4 }),
      ),
    ),
  )
  .map(([marked, parts]) => Buffer.concat([Buffer.from(marked ? BYTE_ORDER_MARK : ""), ...parts]));

function framesOf(
  chunks: readonly Buffer[],
  maxLineBytes = MAX_LINE_BYTES,
  budget = new UnfinishedBudget(PLENTY),
) {
  const framer = new LineFramer({ maxLineBytes, budget });
  const frames = chunks.flatMap((chunk) => [...singleFrames(framer.push(chunk))]);
  frames.push(...singleFrames(framer.end()));
  framer.close();
  return frames;
}

/** The rules once more, on the whole stream: what a line is does not depend on how it came. */
function linesOf(bytes: Buffer, maxLineBytes = MAX_LINE_BYTES): SingleFrame[] {
  const frames: SingleFrame[] = [];
  const texts = bytes.toString("latin1").split("\n");
  for (const [index, text] of texts.entries()) {
    const terminated = index < texts.length - 1;
    const raw = Buffer.from(text, "latin1");
    if (text.replace(/\r$/, "").length > maxLineBytes) {
      const sha256 = createHash("sha256").update(raw).digest("hex");
      const head = raw.subarray(0, HEAD_BYTES);
      frames.push({ kind: "oversized", code: "line_too_long", head, length: raw.length, sha256 });
      continue;
    }
    const marked = index === 0 ? text.replace(/^\xef\xbb\xbf/, "") : text;
    if (/^[ \t\r]*$/.test(marked)) continue;
    frames.push({ kind: "line", bytes: Buffer.from(marked.replace(/\r$/, ""), "latin1"), terminated });
  }
  return frames;
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((start, index) => bytes.subarray(start, places[index]));
}

describe("a framer", () => {
  test("gives the same lines however the stream is cut into chunks", () => {
    const seed = newSeed("framing");
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 30 }), (bytes, cuts) => {
        expect(framesOf(cutAt(bytes, cuts))).toEqual(linesOf(bytes));
      }),
      { seed, numRuns: 2000 },
    );
  });

  test("gives the same lines byte by byte", () => {
    const seed = newSeed("framing");
    fc.assert(
      fc.property(stream, (bytes) => {
        expect(framesOf([...bytes].map((byte) => Buffer.from([byte])))).toEqual(linesOf(bytes));
      }),
      { seed, numRuns: 300 },
    );
  });

  test("takes a line of exactly the limit, and keeps the head of a longer one", () => {
    const limit = HEAD_BYTES + 10;
    const whole = Buffer.from(`${"x".repeat(limit)}\n${"y".repeat(limit + 1)}\n${"z".repeat(5)}\n`);
    const frames = framesOf(cutAt(whole, [1, HEAD_BYTES - 1, limit, limit + 2, 2 * limit]), limit);
    expect(frames).toEqual(linesOf(whole, limit));
    expect(frames.map(({ kind }) => kind)).toEqual(["line", "oversized", "line"]);
  });

  test.each([[[]], [[3]], [[12]], [[13]], [[14]], [[12, 13]], [[13, 14]]])(
    "counts no carriage return before a newline, cut at %j",
    (cuts) => {
      const limit = MAX_LINE_BYTES;
      const text = `${"x".repeat(limit)}\r\n${"y".repeat(limit)}\r\r\n${"z".repeat(limit + 1)}\r\n`;
      const frames = framesOf(cutAt(Buffer.from(text), cuts));
      expect(frames).toEqual(linesOf(Buffer.from(text)));
      expect(frames).toMatchObject([
        { kind: "line", bytes: Buffer.from("x".repeat(limit)) },
        { kind: "oversized", length: limit + 2 },
        { kind: "oversized", length: limit + 2 },
      ]);
    },
  );

  test("gives back to the shared budget all that it took, however the connection ends", () => {
    const seed = newSeed("framing budget");
    const size = 40;
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 30 }), fc.boolean(), (bytes, cuts, ends) => {
        const budget = new UnfinishedBudget(size);
        const framer = new LineFramer({ maxLineBytes: 30, budget });
        for (const chunk of cutAt(bytes, cuts)) framer.push(chunk);
        if (ends) framer.end();
        framer.close();
        expect(budget.take(size)).toBe(true);
      }),
      { seed, numRuns: 1000 },
    );
  });

  test("passes over a line that the shared budget has no room for, and only that one", () => {
    const budget = new UnfinishedBudget(10);
    const greedy = new LineFramer({ maxLineBytes: 100, budget });
    const other = new LineFramer({ maxLineBytes: 100, budget });
    expect(greedy.push(Buffer.from("12345678"))).toEqual([]);
    expect([...singleFrames(other.push(Buffer.from("first\nabc")))]).toMatchObject([{ kind: "line" }]);
    const [cut, next] = singleFrames(other.push(Buffer.from("def\nnext\n")));
    const sha256 = createHash("sha256").update("abcdef").digest("hex");
    expect(cut).toMatchObject({ kind: "oversized", code: "overloaded", length: 6, sha256 });
    expect(next).toEqual({ kind: "line", bytes: Buffer.from("next"), terminated: true });
    expect([...singleFrames(greedy.push(Buffer.from("\n")))]).toMatchObject([
      { kind: "line", bytes: Buffer.from("12345678") },
    ]);
  });

  test("holds a line that comes byte by byte in not much more than its bytes, and charges them", () => {
    const size = 1024 * 1024;
    const budget = new UnfinishedBudget(size + 64 * 1024);
    const framer = new LineFramer({ maxLineBytes: size, budget });
    const byte = Buffer.from("x");
    const { heapUsed } = process.memoryUsage();
    for (let sent = 0; sent < size; sent += 1) framer.push(byte);
    expect(budget.take(2 * 64 * 1024)).toBe(false);
    // An object for each byte takes 100 MiB.
    expect(process.memoryUsage().heapUsed - heapUsed).toBeLessThan(50 * 1024 * 1024);
    const [line] = singleFrames(framer.push(Buffer.from("\n")));
    expect(line?.kind === "line" && line.bytes.equals(Buffer.alloc(size, "x"))).toBe(true);
  });
});
