import { Worker } from "node:worker_threads";
import { type ParsedLines, parseLines } from "./batch.ts";
import { PatternParser } from "./parse.ts";
import type { DeclaredTypes } from "./schema.ts";
import type { ReceivedLine } from "./settlement.ts";
import { Zone } from "./zone.ts";

/** The parser's options as they cross to a thread. */
export interface ThreadParserOptions {
  /** An IANA id. */
  readonly zone: string;
  readonly types: DeclaredTypes;
  readonly notCollected: ReadonlySet<string>;
}

/** Lines as they cross: all bytes in one buffer, each line with one byte behind it. */
export interface PackedLines {
  readonly number: number;
  readonly isJudged: boolean;
  readonly bytes: ArrayBuffer;
  readonly ends: Uint32Array<ArrayBuffer>;
  /** Places among the lines; hardly ever any. */
  readonly unterminated: readonly number[];
}

export interface ParsedReply {
  readonly number: number;
  readonly parsed: ParsedLines;
}

interface Waiting {
  readonly lines: readonly ReceivedLine[];
  readonly isJudged: boolean;
  readonly resolve: (parsed: ParsedLines) => void;
}

export function parserOf({ zone, types, notCollected }: ThreadParserOptions): PatternParser {
  return new PatternParser({ zone: new Zone(zone), types, notCollected });
}

/** A parser in a thread of its own. Should the thread end, `parser` does its work on the spot, only slower. */
export class ParserThread {
  readonly #parser: PatternParser;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #isGone = false;

  constructor(options: ThreadParserOptions, parser: PatternParser) {
    this.#parser = parser;
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: options });
    this.#worker.on("message", ({ number, parsed }: ParsedReply) => {
      this.#waiting.get(number)?.resolve(parsed);
      this.#waiting.delete(number);
    });
    this.#worker.on("error", () => this.#goOnAlone());
    this.#worker.on("exit", () => this.#goOnAlone());
  }

  async parse(lines: readonly ReceivedLine[], isJudged: boolean): Promise<ParsedLines> {
    if (this.#isGone) return parseLines(this.#parser, lines, isJudged);
    this.#calls += 1;
    const packed = packLines(this.#calls, lines, isJudged);
    return new Promise((resolve) => {
      this.#waiting.set(packed.number, { lines, isJudged, resolve });
      this.#worker.postMessage(packed, [packed.bytes, packed.ends.buffer]);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #goOnAlone(): void {
    this.#isGone = true;
    for (const { lines, isJudged, resolve } of this.#waiting.values())
      resolve(parseLines(this.#parser, lines, isJudged));
    this.#waiting.clear();
  }
}

function packLines(number: number, lines: readonly ReceivedLine[], isJudged: boolean): PackedLines {
  let length = 0;
  for (const { bytes } of lines) length += bytes.length + 1;
  const target = new Uint8Array(new ArrayBuffer(length));
  const ends = new Uint32Array(lines.length);
  const unterminated: number[] = [];
  // Lines that came in one piece are copied in one piece, with the newlines between them.
  let run: { readonly buffer: ArrayBufferLike; readonly start: number; readonly to: number } | undefined;
  let runEnd = 0;
  let end = 0;
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index];
    if (!line) continue;
    const { buffer, byteOffset } = line.bytes;
    if (run?.buffer !== buffer || runEnd + 1 !== byteOffset) {
      if (run) target.set(new Uint8Array(run.buffer, run.start, runEnd - run.start), run.to);
      run = { buffer, start: byteOffset, to: end };
    }
    runEnd = byteOffset + line.bytes.length;
    end += line.bytes.length + 1;
    ends[index] = end - 1;
    if (!line.terminated) unterminated.push(index);
  }
  if (run) target.set(new Uint8Array(run.buffer, run.start, runEnd - run.start), run.to);
  return { number, isJudged, bytes: target.buffer, ends, unterminated };
}

export function* unpackLines({ bytes, ends, unterminated }: PackedLines): Generator<ReceivedLine> {
  const cut = new Set(unterminated);
  let start = 0;
  for (const [index, end] of ends.entries()) {
    yield { kind: "line", bytes: Buffer.from(bytes, start, end - start), terminated: !cut.has(index) };
    start = end + 1;
  }
}
