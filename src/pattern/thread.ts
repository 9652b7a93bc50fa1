import { Worker } from "node:worker_threads";
import { type PackedLines, type ParsedLines, packLines, transferOfLines } from "./batch.ts";
import type { BatchMemory } from "./batch-memory.ts";
import type { Lines } from "./lines.ts";
import { PatternParser } from "./parse.ts";
import type { DeclaredTypes } from "./schema.ts";
import { Zone } from "./zone.ts";

/** The parser's options as they cross to a thread. */
export interface ThreadParserOptions {
  /** An IANA id. */
  readonly zone: string;
  readonly types: DeclaredTypes;
  readonly notCollected: ReadonlySet<string>;
}

export interface ParseCall {
  readonly number: number;
  readonly lines: PackedLines;
}

export interface ParsedReply {
  readonly number: number;
  readonly parsed: ParsedLines;
}

interface Waiting {
  readonly lines: Lines;
  readonly isJudged: boolean;
  readonly resolve: (parsed: ParsedLines) => void;
}

export function parserOf({ zone, types, notCollected }: ThreadParserOptions): PatternParser {
  return new PatternParser({ zone: new Zone(zone), types, notCollected });
}

/** What it makes of a batch is used up with the batch: more room for it would only be more memory. */
const YOUNG_MIB = 6;

/** A parser in a thread of its own. Should the thread end, `parseHere` does its work on the spot, only slower. */
export class ParserThread {
  readonly #parseHere: (lines: PackedLines) => ParsedLines;
  readonly #memory: BatchMemory;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #isGone = false;

  constructor(
    options: ThreadParserOptions,
    memory: BatchMemory,
    parseHere: (lines: PackedLines) => ParsedLines,
  ) {
    this.#parseHere = parseHere;
    this.#memory = memory;
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), {
      workerData: options,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    this.#worker.on("message", ({ number, parsed }: ParsedReply) => {
      this.#waiting.get(number)?.resolve(parsed);
      this.#waiting.delete(number);
    });
    this.#worker.on("error", () => this.#goOnAlone());
    this.#worker.on("exit", () => this.#goOnAlone());
  }

  async parse(lines: Lines, isJudged: boolean): Promise<ParsedLines> {
    const packed = packLines(lines, isJudged, this.#memory);
    if (this.#isGone) return this.#parseHere(packed);
    this.#calls += 1;
    const call: ParseCall = { number: this.#calls, lines: packed };
    return new Promise((resolve) => {
      this.#waiting.set(call.number, { lines, isJudged, resolve });
      this.#worker.postMessage(call, transferOfLines(packed));
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #goOnAlone(): void {
    this.#isGone = true;
    for (const { lines, isJudged, resolve } of this.#waiting.values())
      resolve(this.#parseHere(packLines(lines, isJudged)));
    this.#waiting.clear();
  }
}
