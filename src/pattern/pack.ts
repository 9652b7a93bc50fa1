/** Packs a batch, line by line. */
import type { IdHash } from "./id-hash.ts";
import {
  HOST,
  ID,
  IS_WORD,
  type PackedPatterns,
  PROJECT,
  ROW,
  ROW_SLOTS,
  SESSION,
  TIMESTAMP,
} from "./packed.ts";
import type { Pattern } from "./pattern.ts";
import type { LineScanner } from "./scan.ts";
import { slotOf } from "./shape.ts";

const AGENTS = [slotOf("data.agent"), slotOf("data.agent_type"), slotOf("context.agent")];
const ID_SLOT = slotOf("pattern_id");
/** What a row takes with two tags and two agents. */
const USUAL_ROW = ROW.texts + 8;

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
