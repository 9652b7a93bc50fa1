import { type PackedLines, type ParsedLines, packLines, parseLines } from "./batch.ts";
import { BatchMemory } from "./batch-memory.ts";
import type { Lines } from "./lines.ts";
import type { PatternParser } from "./parse.ts";
import { ParserThread, parserOf, type ThreadParserOptions } from "./thread.ts";

/** A few lines are parsed on the spot: a crossing takes longer. */
const A_FEW_LINES = 32;

/** Parses batches, large ones behind the event loop's back, in a thread that is started when it is needed. */
export class BatchParser {
  readonly #memory: BatchMemory;
  #options: ThreadParserOptions;
  #parser: PatternParser;
  #thread: ParserThread | undefined;

  /** `memory`: what batches are packed in. */
  constructor(options: ThreadParserOptions, memory = new BatchMemory()) {
    this.#memory = memory;
    this.#options = options;
    this.#parser = parserOf(options);
  }

  parse(lines: Lines): Promise<ParsedLines> {
    return this.#parse(lines, false);
  }

  /** For lines that were accepted before: what is indexed is bound from them, and nothing is judged again. */
  bind(lines: Lines): Promise<ParsedLines> {
    return this.#parse(lines, true);
  }

  /** From the next batch on, other types. */
  change(options: ThreadParserOptions): void {
    const before = this.#thread;
    this.#options = options;
    this.#parser = parserOf(options);
    this.#thread = undefined;
    // What it has not answered yet is parsed on the spot, by the types of until now.
    void before?.close();
  }

  async close(): Promise<void> {
    await this.#thread?.close();
  }

  async #parse(lines: Lines, isJudged: boolean): Promise<ParsedLines> {
    const parser = this.#parser;
    const here = (packed: PackedLines) => parseLines(parser, packed);
    if (lines.length <= A_FEW_LINES) return here(packLines(lines, isJudged, this.#memory));
    this.#thread ??= new ParserThread(this.#options, this.#memory, here);
    return this.#thread.parse(lines, isJudged);
  }
}
