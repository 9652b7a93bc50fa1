/** What the writer knows of the store: the version of a pattern that counts, and which lines no longer do. */
import { closeSync, openSync } from "node:fs";
import { hashId, type IdHash } from "../../pattern/id-hash.ts";
import type { Zone } from "../../pattern/zone.ts";
import { readBlockAt } from "./compressed.ts";
import type { IdIndex, MaybeKnown } from "./ids.ts";
import { type Chunk, lineStarts, readRange } from "./lines.ts";
import { type Place, parseMarks, Replaced, readMarks } from "./replaced.ts";
import type { Segment, Segments } from "./segments.ts";
import { readStored } from "./stored-line.ts";

/** Who sends old patterns again sends many of them, which stand together. */
const CACHED_BLOCKS = 8;
const CACHED_MARKS = 100_000;

export interface Version {
  readonly location: Location;
  readonly instant: bigint;
  readonly line: Uint8Array;
}

export interface Location {
  readonly segment: Segment;
  readonly offset: number;
}

interface BlockText extends Chunk {
  /** Where each line begins in `bytes`, and the end. */
  readonly starts: readonly number[];
}

export class KnownPatterns {
  readonly #root: string;
  readonly #zone: Zone;
  readonly #segments: Segments;
  readonly #ids: IdIndex;
  /** The least recently used first. */
  readonly #texts = new Map<string, BlockText>();
  readonly #replaced = new Map<number, Replaced>();

  constructor(root: string, zone: Zone, segments: Segments, ids: IdIndex) {
    this.#root = root;
    this.#zone = zone;
    this.#segments = segments;
    this.#ids = ids;
  }

  /** The version that counts: there is at most one. */
  find(id: string, hash: IdHash = hashId(id)): Version | undefined {
    for (const maybe of this.#ids.find(hash)) {
      const { bytes, offset: base, starts } = this.#textOf(maybe);
      const start = starts[maybe.line] ?? bytes.length;
      const { segment } = maybe;
      const location = { segment, offset: base + start };
      if (this.replacedOf(segment).has(location.offset)) continue;
      const line = bytes.subarray(start, (starts[maybe.line + 1] ?? bytes.length + 1) - 1);
      const stored = readStored(line, this.#zone);
      if (stored?.id === id) return { location, instant: stored.instant, line };
    }
    return undefined;
  }

  /** The offsets of a segment's lines that no longer count. */
  replacedOf({ day, type, compressed, generation }: Segment): ReadonlySet<number> {
    return this.#replacedOn(day).of(type, compressed ? generation : undefined);
  }

  /** A mark that was written, with the line that it waits for. */
  noteReplaced(place: Place): void {
    this.#replaced.get(place.day)?.add(place);
  }

  /** The day's marks, or its segments, are about to change otherwise than by writing patterns. */
  forget(day: number): void {
    this.#replaced.delete(day);
    this.#texts.clear();
  }

  /** Between two batches, since one batch may need the marks of several days in turn. */
  trim(): void {
    let marks = 0;
    for (const { size } of this.#replaced.values()) marks += size;
    for (const [day, { size }] of this.#replaced) {
      if (marks <= CACHED_MARKS) return;
      this.#replaced.delete(day);
      marks -= size;
    }
  }

  #replacedOn(day: number): Replaced {
    let replaced = this.#replaced.get(day);
    if (!replaced) {
      replaced = new Replaced(parseMarks(readMarks(this.#root, day)), (of, type) =>
        this.#segments.progress(of, type),
      );
    }
    // The most recently used last.
    this.#replaced.delete(day);
    this.#replaced.set(day, replaced);
    return replaced;
  }

  #textOf({ segment, block }: MaybeKnown): BlockText {
    const key = `${segment.path} ${block.from} ${block.to}`;
    let text = this.#texts.get(key);
    if (!text) {
      const chunk = segment.compressed
        ? readCompressed(segment.path, block.from)
        : { bytes: readRange(this.#segments.file(segment.path), block), offset: block.from };
      text = { ...chunk, starts: lineStarts(chunk.bytes) };
    }
    this.#texts.delete(key);
    this.#texts.set(key, text);
    const [oldest] = this.#texts.keys();
    if (this.#texts.size > CACHED_BLOCKS && oldest !== undefined) this.#texts.delete(oldest);
    return text;
  }
}

function readCompressed(path: string, from: number): Chunk {
  const fd = openSync(path, "r");
  try {
    return readBlockAt(fd, path, from);
  } finally {
    closeSync(fd);
  }
}
