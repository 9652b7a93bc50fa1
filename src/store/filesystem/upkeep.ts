/**
 * Rewriting and removing segments, for deletion and compression. A rewriting takes what counts in a type's .gz
 * and .ndjson and puts it into a new .gz, in this order, each step durable before the next:
 *
 *   1. the new .gz is written under another name: it counts for nothing
 *   2. the new .gz is renamed to its place: from this moment it holds every line, and the .ndjson none, since
 *      the head of the .gz says "merging"; marks of the old .gz name a generation that is no more
 *   3. the marks of both old files are dropped
 *   4. the .ndjson is removed
 *   5. the head of the .gz says that an .ndjson from now on is a new one
 *
 * So at any moment every pattern counts once, and `settle` does 3 to 5 for whoever finds them not done.
 * A rewriting that keeps no line leaves an empty .gz: marks may wait for its generation (replaced.ts).
 *
 * Segments that go whole, because every line is deleted, are unlinked, then their marks, oldest day first: a mark
 * never goes before the line that it hides, nor a newer version before the older one; within a day the marks
 * are made not to wait for lines that go. A deletion rewrites a segment for replaced lines alone, too: what was
 * deleted is not left in there.
 */
import { closeSync, openSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemCode } from "../../errors.ts";
import { hashAt, NO_ID } from "../../pattern/id-hash.ts";
import type { Zone } from "../../pattern/zone.ts";
import { syncPath, writeFileDurably } from "../durable.ts";
import type { Block } from "./block-index.ts";
import { CompressedWriter, endMerging, listBlocks, readBlock } from "./compressed.ts";
import type { IdIndex } from "./ids.ts";
import type { KnownPatterns } from "./known.ts";
import { dayFolder, dayOf, listDays, listSegments, segmentPath } from "./layout.ts";
import { eachLine, readRange } from "./lines.ts";
import { countingMarks, parseMarks, readMarks, replacedPath } from "./replaced.ts";
import type { SegmentIds } from "./segment-ids.ts";
import { headOf, type Segment, type Segments } from "./segments.ts";
import { readStored } from "./stored-line.ts";

/** What counts in one segment, copied to another file. */
interface Moved {
  readonly from: Segment;
  /** How many lines were copied, and how many left out since they are replaced. */
  kept: number;
  replaced: number;
  /** How many patterns were left out since they are deleted, and how many lines of any version. */
  deleted: number;
  old: number;
}

const NOTHING_MOVED = { kept: 0, replaced: 0, deleted: 0, old: 0 };
/** Before every instant. */
const NEVER = -(2n ** 63n);

export class Upkeep {
  readonly #root: string;
  readonly #zone: Zone;
  readonly #segments: Segments;
  readonly #ids: IdIndex;
  readonly #known: KnownPatterns;
  /** Days whose files are being changed: a failure may have left them between two steps. */
  readonly #unfinished = new Set<number>();
  /** Days that were written to since a rewriting began. */
  readonly #written = new Set<number>();

  constructor(root: string, zone: Zone, segments: Segments, ids: IdIndex, known: KnownPatterns) {
    this.#root = root;
    this.#zone = zone;
    this.#segments = segments;
    this.#ids = ids;
    this.#known = known;
  }

  noteWrite(day: number): void {
    this.#written.add(day);
  }

  /** Before anything is written: a failed step must be done before what comes after it. */
  settleUnfinished(): void {
    this.#segments.undoFailed();
    for (const day of this.#unfinished) this.settle(day);
  }

  /** Brings a day to where nothing is between two steps: its marks are settled, what was merged is removed. */
  settle(day: number, forDeletion = false): void {
    this.#segments.undoFailed();
    this.#known.forget(day);
    const folder = join(this.#root, dayFolder(day));
    const compressed = listSegments(this.#root, day).filter((name) => name.compressed);
    const merging = compressed.filter((name) => headOf(segmentPath(this.#root, day, name)).merging);
    if (merging.length > 0) syncPath(folder);
    this.#settleMarks(day, new Set(merging.map(({ type }) => type)), forDeletion);
    for (const name of merging) {
      this.#remove(this.#segments.at(day, name.type));
      syncPath(folder);
      endMerging(segmentPath(this.#root, day, name));
    }
    this.#unfinished.delete(day);
  }

  /** Returns how many patterns went, each counted once whatever versions of it went. */
  *deleteOlderThan(cutoff: bigint): Generator<void, number> {
    const lastDay = dayOf(cutoff);
    let deleted = 0;
    for (const day of listDays(this.#root).reverse()) {
      if (day > lastDay) break;
      if (day < lastDay) deleted += this.#removeDay(day);
      else
        for (const type of this.#typesOf(day)) deleted += (yield* this.#rewrite(day, type, cutoff)).deleted;
      yield;
    }
    yield* this.#ids.tidy();
    return deleted;
  }

  /** Returns how many segments were compressed. */
  *compress(beforeDay: number): Generator<void, number> {
    let compressed = 0;
    for (const day of listDays(this.#root).reverse()) {
      if (day >= beforeDay) break;
      for (const type of this.#typesOf(day)) {
        if (this.#segments.at(day, type).size === 0) continue;
        yield* this.#rewrite(day, type, NEVER);
        compressed += 1;
      }
    }
    yield* this.#ids.tidy();
    return compressed;
  }

  /**
   * Leaves out what is older than the cutoff, if there is one, and does nothing if that is nothing. A writer that
   * comes to the day meanwhile has it done again, in one step.
   */
  *#rewrite(day: number, type: string, cutoff: bigint): Generator<void, { readonly deleted: number }> {
    const path = segmentPath(this.#root, day, { type, compressed: true });
    for (let hurried = false; ; hurried = true) {
      this.settle(day, cutoff !== NEVER);
      this.#written.delete(day);
      const sources = this.#sourcesOf(day, type);
      const generation = Math.max(Date.now(), this.#segments.at(day, type).generation + 1);
      const merging = sources.some(({ compressed }) => !compressed);
      const out = new CompressedWriter(`${path}.new`, { generation, merging });
      const ids = this.#ids.create({ path, compressed: true, generation });
      try {
        const all = sources.map((from) => ({ from, ...NOTHING_MOVED }));
        for (const moved of all) for (const _ of this.#copy(moved, out, ids, cutoff)) if (!hurried) yield;
        out.finish();
        if (!hurried) yield;
        if (this.#written.has(day)) continue;
        if (cutoff !== NEVER && all.every(({ old }) => old === 0)) return NOTHING_MOVED;
        this.#publish(day, type, all, ids, generation);
        return { deleted: all.reduce((sum, { deleted }) => sum + deleted, 0) };
      } finally {
        out.close();
        out.discard();
      }
    }
  }

  *#copy(moved: Moved, out: CompressedWriter, ids: SegmentIds, cutoff: bigint): Generator<void, void> {
    const replaced = this.#known.replacedOf(moved.from);
    for (const { block, bytes } of textOf(moved.from, this.#ids.blocksOf(moved.from))) {
      const span = { oldest: block.oldest > cutoff ? block.oldest : cutoff, newest: block.newest };
      let line = 0;
      eachLine({ bytes, offset: block.from }, (text, offset) => {
        const hash = hashAt(block.hashes, line);
        line += 1;
        const isReplaced = replaced.has(offset);
        if (hash !== NO_ID && this.#isOld(block, text, cutoff)) {
          moved.old += 1;
          if (!isReplaced) moved.deleted += 1;
        } else if (isReplaced) moved.replaced += 1;
        else {
          const { end, endsBlock } = out.addLine(text);
          ids.add(hash, span, end);
          if (endsBlock) ids.endBlock();
          moved.kept += 1;
        }
      });
      yield;
    }
  }

  #isOld(block: Block, line: Buffer, cutoff: bigint): boolean {
    if (block.newest < cutoff) return true;
    if (block.oldest >= cutoff) return false;
    const stored = readStored(line, this.#zone);
    return stored !== undefined && stored.instant < cutoff;
  }

  /** One step: nobody writes meanwhile. */
  #publish(day: number, type: string, all: readonly Moved[], ids: SegmentIds, generation: number): void {
    this.#unfinished.add(day);
    const path = segmentPath(this.#root, day, { type, compressed: true });
    if (all.some(({ kept, replaced }) => kept + replaced > 0)) {
      renameSync(`${path}.new`, path);
      // From here on what is known is what is on disk: `settle` can do all that may still fail.
      this.#known.forget(day);
      for (const { from } of all) this.#ids.forget(from);
      const segment = this.#segments.adopt(day, type, generation);
      this.#ids.adopt(segment, ids);
      for (const { from } of all) this.#ids.discardFile(from);
      this.#ids.discardFile(segment);
      this.#ids.flush(segment);
    } else {
      for (const { from } of all.toReversed()) this.#remove(from);
    }
    syncPath(dirname(path));
    this.settle(day);
    if (listSegments(this.#root, day).length === 0) this.#removeEmptyFolders(day);
  }

  /** Returns how many patterns went. */
  #removeDay(day: number): number {
    this.settle(day, true);
    this.#unfinished.add(day);
    let deleted = 0;
    for (const segment of this.#segments.on(day).reverse()) {
      deleted += this.#ids.patternsOf(segment) - this.#known.replacedOf(segment).size;
      this.#remove(segment);
    }
    syncPath(join(this.#root, dayFolder(day)));
    this.settle(day);
    this.#removeEmptyFolders(day);
    return deleted;
  }

  /** The index first: it must not outlive what it was made for. */
  #remove(segment: Segment): void {
    this.#ids.discardFile(segment);
    rmSync(segment.path, { force: true });
    this.#ids.forget(segment);
    this.#segments.retire(segment);
  }

  #removeEmptyFolders(day: number): void {
    const folder = join(this.#root, dayFolder(day));
    for (const empty of [folder, dirname(folder), dirname(dirname(folder))]) {
      try {
        rmdirSync(empty);
      } catch (error) {
        if (systemCode(error) === "ENOTEMPTY" || systemCode(error) === "EEXIST") return;
        throw error;
      }
      syncPath(dirname(empty));
    }
  }

  /** Drops every mark whose line is no more, or is in an .ndjson that is merged. */
  #settleMarks(day: number, merged: ReadonlySet<string>, forDeletion: boolean): void {
    const text = readMarks(this.#root, day);
    const settled = countingMarks(parseMarks(text), this.#progressOf)
      .filter(({ type, gz, offset }) =>
        gz === undefined
          ? !merged.has(type) && offset < this.#segments.at(day, type).size
          : this.#segments.compressed(day, type)?.generation === gz,
      )
      .map((mark) => (forDeletion && mark.by?.day === dayFolder(day) ? { ...mark, by: undefined } : mark))
      .map((mark) => `${JSON.stringify(mark)}\n`)
      .join("");
    const path = replacedPath(this.#root, day);
    if (settled === text && text !== "") return;
    this.#segments.close(path);
    if (settled !== "") writeFileDurably(path, settled);
    else rmSync(path, { force: true });
    if (text !== "") syncPath(dirname(path));
  }

  #typesOf(day: number): Set<string> {
    return new Set(listSegments(this.#root, day).map(({ type }) => type));
  }

  #sourcesOf(day: number, type: string): Segment[] {
    return this.#segments.on(day).filter((segment) => segment.type === type);
  }

  readonly #progressOf = (day: number, type: string) => this.#segments.progress(day, type);
}

function* textOf(
  { path, compressed }: Segment,
  blocks: readonly Block[],
): Generator<{ readonly block: Block; readonly bytes: Buffer }, void> {
  const fd = openSync(path, "r");
  try {
    const packed = compressed ? listBlocks(fd, path) : undefined;
    for (const block of blocks) {
      const next = packed?.next().value;
      yield { block, bytes: next ? readBlock(fd, path, next).bytes : readRange(fd, block) };
    }
  } finally {
    closeSync(fd);
  }
}
