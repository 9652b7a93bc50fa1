/**
 * Which ids the store knows and where their lines stand, in four and a half bytes of memory a line: one filter
 * over everything, which a new id rarely passes; behind it a filter for each 16,384 lines of a segment; behind that
 * the hashes in the index files (segment-ids.ts).
 */
import { closeSync } from "node:fs";
import { systemCode } from "../../errors.ts";
import { hashId, type IdHash, NO_ID } from "../../pattern/id-hash.ts";
import type { Pattern } from "../../pattern/pattern.ts";
import type { Zone } from "../../pattern/zone.ts";
import { removeAndFreeLater } from "../durable.ts";
import { openPlainFile, statOf } from "../plain-file.ts";
import { BlockCache } from "./block-cache.ts";
import { type Block, firstLineOf, indexPath, isAsIndexed, readIndex } from "./block-index.ts";
import { GrowingFilter } from "./bloom.ts";
import { readBlocks } from "./compressed.ts";
import { eachLine, readChunks } from "./lines.ts";
import { SegmentIds, type Span, StaleIndex } from "./segment-ids.ts";
import type { Segment, Segments } from "./segments.ts";
import { readStored } from "./stored-line.ts";

const BITS_PER_ID = 20;
/** How many ids the filter over everything has room for beyond those that are there, or once twice those. */
const SPARE = 1024 * 1024;
const NO_SPAN: Span = { oldest: 0n, newest: 0n };

/** As far as an index needs it. */
type NewLine = Pick<Pattern, "hash" | "instant" | "lineBytes">;

/** A line that may have the id that is looked for. */
export interface MaybeKnown {
  readonly segment: Segment;
  readonly block: Block;
  /** Its number in the block. */
  readonly line: number;
}

export class IdIndex {
  readonly #segments: Segments;
  readonly #zone: Zone;
  readonly #ofSegment = new Map<Segment, SegmentIds>();
  /** Whose lines were written and could not be noted: to be read before anything is looked for. */
  readonly #unread = new Set<Segment>();
  readonly #cache = new BlockCache();
  #all = new GrowingFilter(SPARE, BITS_PER_ID);
  /** Takes the place of `#all` once it holds everything. */
  #next: GrowingFilter | undefined;

  constructor(segments: Segments, zone: Zone) {
    this.#segments = segments;
    this.#zone = zone;
  }

  /** Reads the index files of all segments, and of the segments what has no index. */
  load(all: readonly Segment[]): void {
    const indexed = all.map(({ path }) => statOf(indexPath(path))?.size ?? 0);
    this.#all = new GrowingFilter(indexed.reduce((sum, bytes) => sum + bytes, 0) / 8 + SPARE, BITS_PER_ID);
    for (const segment of all) this.#load(segment, true);
  }

  /** What the filters take. */
  get bytes(): number {
    let bytes = this.#all.bytes;
    for (const { filterBytes } of this.#ofSegment.values()) bytes += filterBytes;
    return bytes;
  }

  /** For a segment that is yet to be put in its place. */
  create(segment: Pick<Segment, "path" | "compressed" | "generation">): SegmentIds {
    const path = indexPath(segment.path);
    return new SegmentIds({
      path,
      cache: this.#cache,
      endsBlocks: !segment.compressed,
      open: () => this.#segments.file(path),
      key: () => this.#keyOf(segment),
    });
  }

  /** Lines that were appended one behind the other, the first one at `start`: they count, whatever fails now. */
  add(segment: Segment, lines: readonly NewLine[], start: number): void {
    for (const { hash } of lines) this.#note(hash);
    if (this.#unread.has(segment)) return;
    try {
      this.#trusting(segment, (ids) => {
        let end = start;
        for (const { hash, instant, lineBytes } of lines) {
          end += lineBytes + 1;
          // An index that had to be made anew has read the line already.
          if (end > ids.end) ids.add(hash, instant, instant, end);
        }
      });
    } catch (error) {
      this.#unread.add(segment);
      if (systemCode(error) === undefined) throw error;
    }
  }

  /** Writes what is complete to the segment's index file. */
  flush(segment: Segment): void {
    if (!this.#unread.has(segment)) this.#ofSegment.get(segment)?.flush();
  }

  /** Of a segment that holds nothing but lines of other segments. */
  adopt(segment: Segment, ids: SegmentIds): void {
    ids.endBlock();
    this.#ofSegment.set(segment, ids);
  }

  /** The segment's lines are elsewhere or nowhere. */
  forget(segment: Segment): void {
    this.#ofSegment.delete(segment);
    this.#unread.delete(segment);
  }

  /** Before a segment's file goes, or once another is in its place. One that can't be removed fits no segment any more. */
  discardFile({ path }: Pick<Segment, "path">): void {
    this.#cache.clear();
    try {
      this.#segments.close(indexPath(path));
      removeAndFreeLater(indexPath(path));
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }

  /** False for all ids that nobody knows but a few. */
  mayHold(hash: IdHash): boolean {
    return this.#all.has(hash);
  }

  /** The likeliest first: however many versions a pattern had, the one that counts came last. */
  *find(hash: IdHash): Generator<MaybeKnown, void> {
    if (!this.#all.has(hash)) return;
    this.#readUnread();
    const holding: Segment[] = [];
    for (const [segment, ids] of this.#ofSegment) if (ids.mayHold(hash)) holding.push(segment);
    holding.sort((a, b) => b.day - a.day || Number(a.compressed) - Number(b.compressed));
    for (const segment of holding) {
      try {
        yield* this.#findIn(segment, hash);
      } catch (error) {
        this.#remake(segment, error);
        yield* this.#findIn(segment, hash);
      }
    }
  }

  /** Every block of a segment, in the order of the text. */
  blocksOf(segment: Segment): readonly Block[] {
    return this.#trusting(segment, (ids) => [...ids.blocks()]);
  }

  /** How many lines of a segment are patterns. */
  patternsOf(segment: Segment): number {
    return this.#trusting(segment, ({ patterns }) => patterns);
  }

  /** Once many ids are gone the filter over everything is made anew, in steps. */
  *tidy(): Generator<void, void> {
    let patterns = 0;
    for (const ids of this.#ofSegment.values()) patterns += ids.patterns;
    if (this.#all.size < 2 * patterns + SPARE) return;
    this.#next = new GrowingFilter(patterns + SPARE, BITS_PER_ID);
    try {
      for (const segment of [...this.#ofSegment.keys()]) {
        for (const { hashes } of this.blocksOf(segment)) this.#next.addAll(hashes);
        yield;
      }
      this.#all = this.#next;
    } finally {
      this.#next = undefined;
    }
  }

  /** Leaves index files that spare the next opening the reading of all but nothing. */
  close(): void {
    for (const [segment, ids] of this.#ofSegment) {
      if (this.#unread.has(segment)) continue;
      ids.endBlock();
      ids.flush();
    }
  }

  #note(hash: IdHash): void {
    this.#all.add(hash);
    this.#next?.add(hash);
  }

  /** An index file that somebody damaged or removed is made anew from its segment. */
  #trusting<T>(segment: Segment, read: (ids: SegmentIds) => T): T {
    this.#readUnread();
    try {
      return read(this.#of(segment));
    } catch (error) {
      return read(this.#remake(segment, error));
    }
  }

  #remake(segment: Segment, error: unknown): SegmentIds {
    if (!(error instanceof StaleIndex)) throw error;
    this.discardFile(segment);
    return this.#load(segment, false);
  }

  *#findIn(segment: Segment, hash: IdHash): Generator<MaybeKnown, void> {
    for (const found of this.#of(segment).find(hash)) yield { segment, ...found };
  }

  /** A segment that was not there before has no line yet. */
  #of(segment: Segment): SegmentIds {
    const known = this.#ofSegment.get(segment);
    if (known) return known;
    const ids = this.create(segment);
    this.#ofSegment.set(segment, ids);
    return ids;
  }

  #readUnread(): void {
    for (const segment of this.#unread) this.#load(segment, false);
  }

  /** `isNew`: whether the filter over everything does not know these ids yet. */
  #load(segment: Segment, isNew: boolean): SegmentIds {
    const ids = this.create(segment);
    const { fd } = openPlainFile(segment.path);
    try {
      const size = segment.compressed ? Number.MAX_SAFE_INTEGER : segment.size;
      const found = readIndex(indexPath(segment.path), this.#keyOf(segment), size);
      const last = found.blocks.at(-1);
      if (last && (segment.compressed || isAsIndexed(fd, last, this.#zone)))
        ids.load(found, (hashes) => {
          if (isNew) this.#all.addAll(hashes);
        });
      ids.cut();
      for (const chunk of segment.compressed
        ? readBlocks(fd, segment.path, ids.end)
        : readChunks(fd, segment.size, ids.end)) {
        eachLine(chunk, (line, offset) => {
          const stored = readStored(line, this.#zone);
          const hash = stored ? hashId(stored.id) : NO_ID;
          const span = stored ? { oldest: stored.instant, newest: stored.instant } : NO_SPAN;
          ids.add(hash, span.oldest, span.newest, offset + line.length + 1);
          if (stored && isNew) this.#note(hash);
        });
        if (segment.compressed) ids.endBlock();
      }
    } finally {
      closeSync(fd);
    }
    ids.flush();
    this.#ofSegment.set(segment, ids);
    this.#unread.delete(segment);
    return ids;
  }

  #keyOf({ path, compressed, generation }: Pick<Segment, "path" | "compressed" | "generation">) {
    return { generation, firstLine: compressed ? 0 : (firstLineOf(this.#segments.file(path)) ?? 0) };
  }
}
