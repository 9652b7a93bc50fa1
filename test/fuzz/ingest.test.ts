/**
 * Any bytes, cut anyhow, into the framing and the parser, and over the socket into a real daemon: no crash, no hang,
 * no growth, and every line settled once, as a slow oracle says. `npm run fuzz` does it for ten minutes
 * (PATTERND_FUZZ_SECONDS); PATTERND_TEST_SEED repeats a run. By properties, not by coverage: of the libraries that
 * are guided by it none runs on Node.js 20 and Debian 12.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { LineFramer, singleFrames } from "../../src/ingest/framing.ts";
import { UnfinishedBudget } from "../../src/ingest/unfinished.ts";
import { packLines, parseLines } from "../../src/pattern/batch.ts";
import { Lines } from "../../src/pattern/lines.ts";
import { PatternParser } from "../../src/pattern/parse.ts";
import { unpackPatterns } from "../../src/pattern/unpack.ts";
import { Zone } from "../../src/pattern/zone.ts";
import { DECLARED } from "../pattern-fixture.ts";
import { askHealth, askPattern } from "../process/client.ts";
import { expectBalance, memory, memoryBound } from "../process/crowd.ts";
import { BACKENDS, type Daemon, Home } from "../process/daemon.ts";
import { newSeed } from "../process/patterns.ts";
import { MAX_LINE_BYTES, type Verdict, verdictsOn } from "./oracle.ts";
import { chunksOf, cuts, stream } from "./streams.ts";

const SECONDS = Number(process.env.PATTERND_FUZZ_SECONDS ?? 6) / (1 + BACKENDS.length);
const TIMEOUT_MS = SECONDS * 1000 + 60_000;
/** One run; a stuck daemon is a failure, not a slow one. */
const RUN_MS = 30_000;
const FLAT_MIB = 32;
/** What the daemon holds of a stream, at most. */
const HELD_BYTES = 8 << 20;
/** Its five threads would let their young objects grow to 48 MiB each before they clear up, which looks like a leak. */
const SMALL_NURSERY = { NODE_OPTIONS: "--max-semi-space-size=1" };
const CONFIG = {
  types: DECLARED,
  ingest: { maxLineBytes: MAX_LINE_BYTES },
  rejected: { maxBytes: 4 << 20 },
};

const parameters = (what: string) => ({
  seed: newSeed(what),
  numRuns: 1e9,
  interruptAfterTimeLimit: SECONDS * 1000,
});

test(
  "framing and parsing say what the oracle says, however the bytes are cut",
  () => {
    const parser = new PatternParser({ zone: new Zone("UTC"), types: DECLARED });
    const budget = new UnfinishedBudget(1 << 20);
    let lines = 0;
    let accepted = 0;
    fc.assert(
      fc.property(stream, cuts, (bytes, lengths) => {
        const framer = new LineFramer({ maxLineBytes: MAX_LINE_BYTES, budget });
        const frames = [...chunksOf(bytes, lengths)].flatMap((chunk) => framer.push(chunk));
        frames.push(...framer.end());
        framer.close();
        const verdicts = verdictsOn(bytes);
        const framed = [...singleFrames(frames)].map((frame) =>
          frame.kind === "line" ? frame.bytes.toString("latin1") : frame.length,
        );
        const wanted = verdicts.map(({ bytes: own, codes }) =>
          codes[0] === "line_too_long" ? own.length : own.toString("latin1"),
        );
        // Text is compared much faster than bytes are.
        if (framed.join("\n") !== wanted.join("\n")) expect(framed).toEqual(wanted);
        const whole = verdicts.filter(({ codes }) => codes[0] !== "line_too_long");
        const received = new Lines(frames.flatMap((frame) => (frame.kind === "lines" ? frame.block : [])));
        const { patterns: packed, refused } = parseLines(parser, packLines(received, false));
        expectRefusals(
          whole,
          [...refused].map(([place, refusal]) => ({
            line: place + 1,
            code: refusal.kind === "rejection" ? refusal.rejection.code : refusal.kind,
          })),
        );
        const patterns = unpackPatterns(packed);
        const taken = whole.filter(({ codes }) => codes.length === 0);
        expect(patterns.map(({ id, line }) => [id, Buffer.from(line).toString("utf8")])).toEqual(
          taken.map(({ id, bytes: own }) => [id, own.toString("utf8")]),
        );
        lines += verdicts.length;
        accepted += patterns.length;
      }),
      parameters("framing and parsing"),
    );
    console.log(`${lines} lines, of which ${accepted} were accepted`);
    // A generator whose lines are all alike would find nothing.
    expect(accepted / lines).toBeGreaterThan(0.1);
    expect(accepted / lines).toBeLessThan(0.7);
  },
  TIMEOUT_MS,
);

for (const backend of BACKENDS) {
  test(
    `${backend}: a daemon settles every line once, as the oracle says, and does not grow`,
    async () => {
      const daemon = await new Home().start({ backend, config: CONFIG, env: SMALL_NURSERY });
      const start = memory(daemon).now;
      const talks = new Talks(daemon);
      // The last one is still on its way when the time is up.
      let last: Promise<void> = Promise.resolve();
      const property = fc.asyncProperty(stream, cuts, fc.boolean(), (bytes, lengths, saysHello) => {
        last = talks.talk(bytes, lengths, saysHello);
        return last;
      });
      await fc.assert(property, { ...parameters(backend), timeout: RUN_MS });
      await last;
      await talks.expectAccounted();
      const [middle = 0, end = 0] = talks.memory();
      const told = `${talks.count} connections, ${talks.lines} lines, ${talks.stored} stored`;
      console.log(`${backend}: ${told}; ${start} MiB, halfway ${middle}, at the end ${end}`);
      expect(memory(daemon).peak).toBeLessThan(memoryBound(start, HELD_BYTES));
      if (SECONDS >= 60) expect(end).toBeLessThan(middle + FLAT_MIB);
      expect(await daemon.stop()).toBe(0);
    },
    TIMEOUT_MS,
  );
}

/** Connections to one daemon, one after the other, and what became of all their lines. */
class Talks {
  count = 0;
  lines = 0;
  stored = 0;
  readonly #daemon: Daemon;
  readonly #byCode: Record<string, number> = {};
  readonly #sizes: number[] = [];

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  async talk(bytes: Buffer, lengths: readonly number[], saysHello: boolean): Promise<void> {
    const { ingest, query } = this.#daemon.sockets;
    const verdicts = verdictsOn(bytes, !saysHello);
    const { rejects, receipt } = await sent(ingest, chunksOf(bytes, lengths), saysHello);
    this.count += 1;
    this.lines += receipt.lines;
    this.stored += receipt.stored;
    for (const { code } of rejects) this.#byCode[code] = (this.#byCode[code] ?? 0) + 1;
    this.#sizes.push(memory(this.#daemon).now);
    const accepted = verdicts.filter(({ codes }) => codes.length === 0);
    const rejected = verdicts.length - accepted.length;
    const wanted = { lines: verdicts.length, stored: accepted.length, rejected, not_collected: 0 };
    expect(receipt).toEqual(wanted);
    expectRefusals(verdicts, rejects);
    const isOnly = (id: string) => accepted.filter((one) => one.id === id).length === 1;
    const own = accepted.find(({ id = "" }) => id.startsWith("fuzz-") && isOnly(id));
    if (own?.id === undefined) return;
    expect(await askPattern(query, own.id)).toBe(own.bytes.toString("utf8"));
  }

  /** The daemon counts as many lines as it has told, no more and no fewer. */
  async expectAccounted(): Promise<void> {
    expect(await expectBalance(this.#daemon)).toBe(0);
    const { lines } = await askHealth(this.#daemon.sockets.query);
    expect(lines.received).toBe(this.lines);
    expect(lines.stored + lines.replaced + lines.superseded).toBe(this.stored);
    expect(lines.rejected_by_code).toEqual(this.#byCode);
  }

  /** In MiB, the most in the second and in the last quarter. */
  memory(): number[] {
    const quarter = this.#sizes.length / 4;
    return [1, 3].map((at) => Math.max(0, ...this.#sizes.slice(at * quarter, (at + 1) * quarter)));
  }
}

interface Reject {
  readonly line: number;
  readonly code: string;
}

/** The refusals are those of the lines that the oracle refuses, each with a code that fits. */
function expectRefusals(verdicts: readonly Verdict[], rejects: readonly Reject[]): void {
  const refused = verdicts.flatMap(({ codes }, index) =>
    codes.length > 0 ? [{ line: index + 1, codes }] : [],
  );
  const told = new Map(rejects.map(({ line, code }) => [line, code]));
  const wanted = refused.map(({ line, codes }) => `${line} ${fitting(codes, told.get(line))}`);
  expect(rejects.map(({ line, code }) => `${line} ${code}`)).toEqual(wanted);
}

const fitting = (codes: readonly string[], code: string | undefined) =>
  codes.includes(code ?? "") ? code : codes.join(" or ");

async function sent(path: string, chunks: Iterable<Buffer>, saysHello: boolean) {
  const socket = connect({ path, allowHalfOpen: true });
  const answer = text(socket);
  if (saysHello) socket.write('{"hello":1,"ack":true}\n');
  for (const chunk of chunks) {
    if (!socket.write(chunk)) await once(socket, "drain");
    if (chunk.length > 7) await setImmediate();
  }
  socket.end();
  const replies = (await answer)
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  const { receipt } = replies.at(-1) ?? {};
  const rejects: Reject[] = replies.flatMap(({ reject }) => reject ?? []);
  const acks: number[] = replies.flatMap(({ ack }) => ack ?? []);
  if (saysHello) {
    expect(replies[0]).toMatchObject({ hello: 1 });
    expect(acks).toEqual([...new Set(acks)].sort((one, other) => one - other));
    expect(acks.at(-1) ?? 0).toBe(receipt?.lines);
  }
  return { receipt, rejects };
}
