/** Patterns of a batch that crossed to another thread, as whoever works with them knows them. */
import type { IdHash } from "./id-hash.ts";
import { textAt } from "./json-scanner.ts";
import {
  countOf,
  HOST,
  ID,
  IS_WORD,
  type PackedPatterns,
  PROJECT,
  ROW,
  SESSION,
  TIMESTAMP,
} from "./packed.ts";
import type { Pattern } from "./pattern.ts";

export function unpackPatterns(packed: PackedPatterns): readonly Pattern[] {
  return new PatternWindow().over(packed);
}

/** The id of the first one, if there is any. */
export function firstIdOf(packed: PackedPatterns): string | undefined {
  if (countOf(packed) === 0) return undefined;
  return new PackedPattern(paneOver(packed), 0, 0).id;
}

const NO_PATTERNS: PackedPatterns = {
  bytes: new ArrayBuffer(0),
  end: 0,
  rows: new Uint32Array(),
  instants: new BigInt64Array(),
  words: [],
};

/** Which batch its patterns are of. */
interface Pane {
  packed: PackedPatterns;
  bytes: Buffer;
  /** Its rows, as signed numbers. */
  signed: Int32Array;
}

function paneOver(packed: PackedPatterns): Pane {
  const { buffer, byteOffset, length } = packed.rows;
  return {
    packed,
    bytes: Buffer.from(packed.bytes),
    signed: new Int32Array(buffer, byteOffset, length),
  };
}

/**
 * Shows one batch after the other. Its patterns are the same objects each time: thousands of new ones for each batch
 * had a thread collect garbage for a quarter of its time.
 */
export class PatternWindow {
  #pane: Pane | undefined;
  readonly #patterns: PackedPattern[] = [];

  /** The patterns of a batch, which are no longer those of the batch before. */
  over(packed: PackedPatterns): readonly Pattern[] {
    const { rows, instants } = packed;
    const pane = this.#show(packed);
    const patterns = this.#patterns;
    let row = 0;
    for (let number = 0; number < instants.length; number += 1) {
      const pattern = patterns[number];
      if (pattern) pattern.move(row, number);
      else patterns.push(new PackedPattern(pane, row, number));
      row += ROW.texts + 2 * ((rows[row + ROW.tags] ?? 0) + (rows[row + ROW.agents] ?? 0));
    }
    return patterns.slice(0, instants.length);
  }

  /** Lets go of the batch: its patterns are no more. */
  close(): void {
    this.#show(NO_PATTERNS);
  }

  /** All patterns look through one pane, which stays. */
  #show(packed: PackedPatterns): Pane {
    const { bytes, signed } = paneOver(packed);
    this.#pane ??= { packed, bytes, signed };
    this.#pane.packed = packed;
    this.#pane.bytes = bytes;
    this.#pane.signed = signed;
    return this.#pane;
  }
}

/** Makes what it is asked for each time: nearly none is asked for all. It is its own hash, too. */
class PackedPattern implements Pattern, IdHash {
  readonly #pane: Pane;
  #row: number;
  #number: number;

  constructor(pane: Pane, row: number, number: number) {
    this.#pane = pane;
    this.#row = row;
    this.#number = number;
  }

  move(row: number, number: number): void {
    this.#row = row;
    this.#number = number;
  }

  get instant(): bigint {
    return this.#pane.packed.instants[this.#number] ?? 0n;
  }

  get id(): string {
    return this.#text(ID) ?? "";
  }

  get hash(): IdHash {
    return this;
  }

  get high(): number {
    return this.#pane.signed[this.#row + ROW.hash] ?? 0;
  }

  get low(): number {
    return this.#pane.signed[this.#row + ROW.hash + 1] ?? 0;
  }

  get type(): string {
    return this.#pane.packed.words[this.#at(ROW.type)] ?? "";
  }

  get timestamp(): string {
    return this.#text(TIMESTAMP) ?? "";
  }

  get project(): string | undefined {
    return this.#text(PROJECT);
  }

  get session(): string | undefined {
    return this.#text(SESSION);
  }

  get host(): string | undefined {
    return this.#text(HOST);
  }

  get tags(): string[] {
    return this.#texts(0, this.#at(ROW.tags));
  }

  get agents(): string[] {
    return this.#texts(this.#at(ROW.tags), this.#at(ROW.agents));
  }

  get line(): Uint8Array {
    return this.#pane.bytes.subarray(this.#at(ROW.line), this.#at(ROW.line + 1));
  }

  get lineBytes(): number {
    return this.#at(ROW.line + 1) - this.#at(ROW.line);
  }

  #at(place: number): number {
    return this.#pane.packed.rows[this.#row + place] ?? 0;
  }

  #text(place: number): string | undefined {
    const [start, end] = [this.#at(place), this.#at(place + 1)];
    if (start === IS_WORD) return this.#pane.packed.words[end];
    return start === 0 ? undefined : textAt(this.#pane.bytes, start, end);
  }

  /** Each once. */
  #texts(first: number, count: number): string[] {
    const texts: string[] = [];
    for (let at = first; at < first + count; at += 1) {
      const text = this.#text(ROW.texts + 2 * at) ?? "";
      if (!texts.includes(text)) texts.push(text);
    }
    return texts;
  }
}
