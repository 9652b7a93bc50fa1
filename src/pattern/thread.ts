/**
 * Parsing behind the event loop's back. A few lines are parsed where they are: a crossing takes longer. Many go to
 * a thread as one transferred buffer, and come back as columns (docs/architecture.md says what was measured).
 */
import { Worker } from "node:worker_threads";
import { type ParsedBatch, parseBatch } from "./batch.ts";
import { type ParserOptions, PatternParser } from "./parse.ts";
import type { DeclaredTypes } from "./schema.ts";
import type { ReceivedLine } from "./settlement.ts";
import { Zone } from "./zone.ts";

const A_FEW_LINES = 32;

/** The parser's options as they cross to a thread. */
export interface ThreadParserOptions {
  /** An IANA id. */
  readonly zone: string;
  readonly types: DeclaredTypes;
  readonly notCollected: ReadonlySet<string>;
}

/** Lines as they cross: all bytes in one buffer. */
export interface PackedLines {
  readonly number: number;
  readonly bytes: ArrayBuffer;
  readonly ends: Uint32Array<ArrayBuffer>;
  /** Places in the batch; hardly ever any. */
  readonly unterminated: readonly number[];
}

export interface ParsedReply {
  readonly number: number;
  readonly batch: ParsedBatch;
}

interface Waiting {
  readonly lines: readonly ReceivedLine[];
  readonly resolve: (batch: ParsedBatch) => void;
}

export function parserOf({ zone, types, notCollected }: ThreadParserOptions): PatternParser {
  const options: ParserOptions = { zone: new Zone(zone), types, notCollected };
  return new PatternParser(options);
}

export class ParserThread {
  readonly #parser: PatternParser;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #batches = 0;
  #isGone = false;

  constructor(options: ThreadParserOptions) {
    this.#parser = parserOf(options);
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: options });
    this.#worker.on("message", ({ number, batch }: ParsedReply) => {
      this.#waiting.get(number)?.resolve(batch);
      this.#waiting.delete(number);
    });
    this.#worker.on("error", () => this.#goOnAlone());
    this.#worker.on("exit", () => this.#goOnAlone());
  }

  async parse(lines: readonly ReceivedLine[]): Promise<ParsedBatch> {
    if (this.#isGone || lines.length <= A_FEW_LINES) return parseBatch(this.#parser, lines);
    this.#batches += 1;
    const packed = packLines(this.#batches, lines);
    return new Promise((resolve) => {
      this.#waiting.set(packed.number, { lines, resolve });
      this.#worker.postMessage(packed, [packed.bytes, packed.ends.buffer]);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  /** Without the thread everything works as before, only slower. */
  #goOnAlone(): void {
    this.#isGone = true;
    for (const { lines, resolve } of this.#waiting.values()) resolve(parseBatch(this.#parser, lines));
    this.#waiting.clear();
  }
}

function packLines(number: number, lines: readonly ReceivedLine[]): PackedLines {
  let length = 0;
  for (const { bytes } of lines) length += bytes.length;
  const bytes = new Uint8Array(new ArrayBuffer(length));
  const ends = new Uint32Array(lines.length);
  const unterminated: number[] = [];
  let end = 0;
  let index = 0;
  for (const line of lines) {
    bytes.set(line.bytes, end);
    end += line.bytes.length;
    ends[index] = end;
    if (!line.terminated) unterminated.push(index);
    index += 1;
  }
  return { number, bytes: bytes.buffer, ends, unterminated };
}

export function* unpackLines({ bytes, ends, unterminated }: PackedLines): Generator<ReceivedLine> {
  const cut = new Set(unterminated);
  let start = 0;
  for (const [index, end] of ends.entries()) {
    yield { kind: "line", bytes: Buffer.from(bytes, start, end - start), terminated: !cut.has(index) };
    start = end;
  }
}
