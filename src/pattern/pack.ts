/**
 * A batch as it crosses to another thread: the lines as they came, in one buffer that is moved and never copied, and
 * for each pattern a row of numbers that says where everything stands there. A text is made of it where one is needed.
 */
import type { IdHash } from "./id-hash.ts";
import { textAt } from "./json-scanner.ts";
import type { Pattern } from "./pattern.ts";
import type { LineScanner } from "./scan.ts";
import { type Slot, slotOf } from "./shape.ts";

export interface PackedPatterns {
  readonly bytes: ArrayBuffer;
  /** Where the last pattern ends there: what stands behind it is of no account. */
  readonly end: number;
  /** One behind the other: see ROW. */
  readonly rows: Uint32Array<ArrayBuffer>;
  /** One for each pattern. */
  readonly instants: BigInt64Array<ArrayBuffer>;
  /** Types, and texts that do not stand in `bytes` as the scanner reads them. */
  readonly words: readonly string[];
}

/** Slots of the scanner whose texts a row holds: from the first one on, as they stand in `places`. */
const ROW_SLOTS = 6;
/** Where in a row what stands. A text takes two numbers, its bounds in `bytes`; behind it all come tags and agents. */
const ROW = { line: 0, hash: 2, type: 4, tags: 5, agents: 6, slots: 7, texts: 7 + 2 * ROW_SLOTS } as const;
const ID = textAtSlot("pattern_id");
const TIMESTAMP = textAtSlot("timestamp");
const PROJECT = textAtSlot("context.project_name");
const SESSION = textAtSlot("context.session_id");
const HOST = textAtSlot("context.host");
const AGENTS = [slotOf("data.agent"), slotOf("data.agent_type"), slotOf("context.agent")];
const ID_SLOT = slotOf("pattern_id");
/** In place of the first bound: the second is the number of a word. */
const IS_WORD = 0xffff_ffff;
/** What a row takes with two tags and two agents. */
const USUAL_ROW = ROW.texts + 8;

function textAtSlot(slot: Slot): number {
  return ROW.slots + 2 * slotOf(slot);
}

/** How many patterns there are. */
export function countOf({ instants }: PackedPatterns): number {
  return instants.length;
}

/** What can be moved to another thread instead of being copied. */
export function transferOf({ bytes, rows, instants }: PackedPatterns): ArrayBuffer[] {
  return [bytes, rows.buffer, instants.buffer];
}

export function unpackPatterns(packed: PackedPatterns): readonly Pattern[] {
  return new PatternWindow().over(packed);
}

/** The id of the first one, if there is any. */
export function firstIdOf(packed: PackedPatterns): string | undefined {
  if (countOf(packed) === 0) return undefined;
  return new PackedPattern(paneOver(packed), 0, 0).id;
}

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
    this.#pane = Object.assign(this.#pane ?? {}, paneOver(packed));
    const pane = this.#pane;
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

export class PatternPacker {
  readonly #bytes: ArrayBuffer;
  readonly #instants: BigInt64Array<ArrayBuffer>;
  readonly #words: string[] = [];
  readonly #types = new Map<string, number>();
  #rows: Uint32Array<ArrayBuffer>;
  #at = 0;
  #count = 0;
  #end = 0;

  /** `lines`: the most patterns that there may be. Offset 0 of `bytes` is no text's. */
  constructor(bytes: ArrayBuffer, lines: number) {
    this.#bytes = bytes;
    this.#instants = new BigInt64Array(lines);
    this.#rows = new Uint32Array(lines * USUAL_ROW);
  }

  /** The line from `start` to `end`, which the scanner has just read. */
  addScanned(scanner: LineScanner, instant: bigint, start: number, end: number): void {
    const { places, tags } = scanner;
    const hash = scanner.hashOf(ID_SLOT);
    const row = this.#begin(instant, start, end, hash, scanner.type, scanner.tagCount + AGENTS.length);
    const rows = this.#rows;
    for (let at = 0; at < 2 * ROW_SLOTS; at += 1) rows[row + ROW.slots + at] = places[at] ?? 0;
    let at = row + ROW.texts;
    for (let bound = 0; bound < 2 * scanner.tagCount; bound += 1) {
      rows[at] = tags[bound] ?? 0;
      at += 1;
    }
    rows[row + ROW.tags] = scanner.tagCount;
    let agents = 0;
    for (const slot of AGENTS) {
      const from = places[2 * slot] ?? 0;
      if (from === 0) continue;
      rows[at] = from;
      rows[at + 1] = places[2 * slot + 1] ?? 0;
      at += 2;
      agents += 1;
    }
    rows[row + ROW.agents] = agents;
    this.#at = at;
  }

  /** A pattern that was read otherwise: its line is the one from `start` to `end`. */
  add(pattern: Pattern, start: number, end: number): void {
    const { id, type, timestamp, instant, project, session, host, tags, agents } = pattern;
    const row = this.#begin(instant, start, end, pattern.hash, type, tags.length + agents.length);
    this.#rows[row + ROW.tags] = tags.length;
    this.#rows[row + ROW.agents] = agents.length;
    this.#word(row + ID, id);
    this.#word(row + TIMESTAMP, timestamp);
    this.#word(row + PROJECT, project);
    this.#word(row + SESSION, session);
    this.#word(row + HOST, host);
    this.#at = row + ROW.texts;
    for (const text of [...tags, ...agents]) {
      this.#word(this.#at, text);
      this.#at += 2;
    }
  }

  /** All that was added. */
  packed(): PackedPatterns {
    return {
      bytes: this.#bytes,
      end: this.#end,
      rows: this.#rows.subarray(0, this.#at),
      instants: this.#instants.subarray(0, this.#count),
      words: this.#words,
    };
  }

  #begin(instant: bigint, start: number, end: number, hash: IdHash, type: string, texts: number): number {
    const row = this.#at;
    const needed = row + ROW.texts + 2 * texts;
    if (needed > this.#rows.length) {
      const larger = new Uint32Array(2 * needed);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#end = end;
    this.#rows[row + ROW.line] = start;
    this.#rows[row + ROW.line + 1] = end;
    this.#rows[row + ROW.hash] = hash.high;
    this.#rows[row + ROW.hash + 1] = hash.low;
    this.#rows[row + ROW.type] = this.#typeNumber(type);
    this.#instants[this.#count] = instant;
    this.#count += 1;
    return row;
  }

  #typeNumber(type: string): number {
    const known = this.#types.get(type);
    if (known !== undefined) return known;
    const number = this.#words.push(type) - 1;
    this.#types.set(type, number);
    return number;
  }

  #word(place: number, text: string | undefined): void {
    this.#rows[place] = text === undefined ? 0 : IS_WORD;
    this.#rows[place + 1] = text === undefined ? 0 : this.#words.push(text) - 1;
  }
}
