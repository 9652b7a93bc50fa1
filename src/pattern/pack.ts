/**
 * A batch as it crosses to another thread: all lines in one transferred buffer, and columns beside it. Cloning many
 * strings is what a crossing costs: ids and timestamps cross as one text, and words that recur (types, tags, agents,
 * projects, sessions, hosts) cross once a batch and are referred to by number.
 */
import type { Pattern } from "./pattern.ts";

export interface PackedPatterns {
  readonly lines: ArrayBuffer;
  /** Where each line ends in `lines`. */
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly instants: BigInt64Array<ArrayBuffer>;
  /** Every pattern's id and timestamp, one behind the other. */
  readonly texts: string;
  /** Where each of them ends in `texts`, two for each pattern. */
  readonly textEnds: Uint32Array<ArrayBuffer>;
  readonly words: readonly string[];
  /** For each pattern: type, project, session, host, the number of tags, the tags, the number of agents, the agents. */
  readonly references: Uint32Array<ArrayBuffer>;
}

/** The number of a word that is not there. */
const NO_WORD = 0;

export function packPatterns(patterns: readonly Pattern[]): PackedPatterns {
  let bytes = 0;
  let references = 0;
  for (const { line, tags, agents } of patterns) {
    bytes += line.byteLength;
    references += 6 + tags.length + agents.length;
  }
  const lines = new Uint8Array(new ArrayBuffer(bytes));
  const ends = new Uint32Array(patterns.length);
  const instants = new BigInt64Array(patterns.length);
  const words = new WordWriter(references);
  const texts: string[] = [];
  const textEnds = new Uint32Array(2 * patterns.length);
  let index = 0;
  let end = 0;
  let textEnd = 0;
  for (const pattern of patterns) {
    lines.set(pattern.line, end);
    end += pattern.line.byteLength;
    ends[index] = end;
    instants[index] = pattern.instant;
    texts.push(pattern.id, pattern.timestamp);
    textEnds[2 * index] = textEnd + pattern.id.length;
    textEnd += pattern.id.length + pattern.timestamp.length;
    textEnds[2 * index + 1] = textEnd;
    index += 1;
    words.one(pattern.type);
    words.one(pattern.project);
    words.one(pattern.session);
    words.one(pattern.host);
    words.list(pattern.tags);
    words.list(pattern.agents);
  }
  return {
    lines: lines.buffer,
    ends,
    instants,
    texts: texts.join(""),
    textEnds,
    words: words.words,
    references: words.references,
  };
}

/** What can be moved to another thread instead of being copied. */
export function transferOf({ lines, ends, instants, textEnds, references }: PackedPatterns): ArrayBuffer[] {
  return [lines, ends.buffer, instants.buffer, textEnds.buffer, references.buffer];
}

/** How many patterns there are. */
export function countOf({ ends }: PackedPatterns): number {
  return ends.length;
}

export function idAt({ texts, textEnds }: PackedPatterns, index: number): string | undefined {
  return index < textEnds.length / 2
    ? texts.slice(textEnds[2 * index - 1] ?? 0, textEnds[2 * index])
    : undefined;
}

export function unpackPatterns(packed: PackedPatterns): Pattern[] {
  const { lines, ends, instants, texts, textEnds } = packed;
  const words = new WordReader(packed);
  const patterns: Pattern[] = [];
  let start = 0;
  let textStart = 0;
  for (let index = 0; index < ends.length; index += 1) {
    const end = ends[index] ?? start;
    const idEnd = textEnds[2 * index] ?? textStart;
    const timestampEnd = textEnds[2 * index + 1] ?? idEnd;
    patterns.push({
      id: texts.slice(textStart, idEnd),
      type: words.one() ?? "",
      timestamp: texts.slice(idEnd, timestampEnd),
      instant: instants[index] ?? 0n,
      project: words.one(),
      session: words.one(),
      host: words.one(),
      tags: words.list(),
      agents: words.list(),
      line: new Uint8Array(lines, start, end - start),
    });
    start = end;
    textStart = timestampEnd;
  }
  return patterns;
}

class WordWriter {
  readonly words: string[] = [];
  readonly references: Uint32Array<ArrayBuffer>;
  readonly #numbers = new Map<string, number>();
  #at = 0;

  constructor(references: number) {
    this.references = new Uint32Array(references);
  }

  one(word: string | undefined): void {
    this.references[this.#at] = word === undefined ? NO_WORD : this.#number(word);
    this.#at += 1;
  }

  list(words: readonly string[]): void {
    this.references[this.#at] = words.length;
    this.#at += 1;
    for (const word of words) this.one(word);
  }

  #number(word: string): number {
    const known = this.#numbers.get(word);
    if (known !== undefined) return known;
    const number = this.words.push(word);
    this.#numbers.set(word, number);
    return number;
  }
}

class WordReader {
  readonly #words: readonly string[];
  readonly #references: Uint32Array;
  #at = 0;

  constructor({ words, references }: PackedPatterns) {
    this.#words = words;
    this.#references = references;
  }

  one(): string | undefined {
    const number = this.#next();
    return number === NO_WORD ? undefined : this.#words[number - 1];
  }

  list(): string[] {
    const words: string[] = [];
    for (let left = this.#next(); left > 0; left -= 1) words.push(this.one() ?? "");
    return words;
  }

  #next(): number {
    const number = this.#references[this.#at] ?? NO_WORD;
    this.#at += 1;
    return number;
  }
}
