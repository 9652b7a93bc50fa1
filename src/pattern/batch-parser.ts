import { parseLines } from "./batch.ts";
import { countOf, idAt, type PackedPatterns } from "./pack.ts";
import type { PatternParser } from "./parse.ts";
import type { ReceivedLine, Refusal } from "./settlement.ts";
import { ParserThread, parserOf, type ThreadParserOptions } from "./thread.ts";

/** A few lines are parsed on the spot: a crossing takes longer. */
const A_FEW_LINES = 32;
/** Beside the event loop's thread and the store's, on as few as two cores (docs/architecture.md). */
const THREADS = 2;

/** A parsed batch: its patterns in order, in parts, and the other lines by their place in the batch. */
export interface ParsedBatch {
  readonly patterns: readonly PackedPatterns[];
  readonly firstId: string | undefined;
  readonly refused: ReadonlyMap<number, Refusal>;
}

/** Parses batches behind the event loop's back, each in as many parts as there are threads, started when needed. */
export class BatchParser {
  readonly #options: ThreadParserOptions;
  readonly #parser: PatternParser;
  #threads: readonly ParserThread[] = [];

  constructor(options: ThreadParserOptions) {
    this.#options = options;
    this.#parser = parserOf(options);
  }

  parse(lines: readonly ReceivedLine[]): Promise<ParsedBatch> {
    return this.#parse(lines, false);
  }

  /** For lines that were accepted before: what is indexed is bound from them, and nothing is judged again. */
  bind(lines: readonly ReceivedLine[]): Promise<ParsedBatch> {
    return this.#parse(lines, true);
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  async #parse(lines: readonly ReceivedLine[], isJudged: boolean): Promise<ParsedBatch> {
    const parts =
      lines.length <= A_FEW_LINES
        ? [parseLines(this.#parser, lines, isJudged)]
        : await this.#parseInThreads(lines, isJudged);
    const refused = new Map<number, Refusal>();
    let start = 0;
    for (const part of parts) {
      for (const [place, refusal] of part.refused) refused.set(start + place, refusal);
      start += countOf(part.patterns) + part.refused.size;
    }
    const patterns = parts.map((part) => part.patterns);
    const [first] = patterns.filter((part) => countOf(part) > 0);
    return { patterns, firstId: first && idAt(first, 0), refused };
  }

  #parseInThreads(lines: readonly ReceivedLine[], isJudged: boolean) {
    if (this.#threads.length === 0) {
      this.#threads = Array.from({ length: THREADS }, () => new ParserThread(this.#options, this.#parser));
    }
    const length = Math.ceil(lines.length / THREADS);
    return Promise.all(
      this.#threads.map((thread, index) =>
        thread.parse(lines.slice(index * length, (index + 1) * length), isJudged),
      ),
    );
  }
}
