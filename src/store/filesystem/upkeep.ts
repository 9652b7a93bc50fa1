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
import { renameSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemCode } from "../../errors.ts";
import type { Zone } from "../../pattern/zone.ts";
import { syncPath, writeFileDurably } from "../durable.ts";
import { CompressedWriter, endMerging } from "./compressed.ts";
import type { IdTable } from "./ids.ts";
import { dayFolder, dayOf, listDays, listSegments, segmentPath } from "./layout.ts";
import { eachLine } from "./lines.ts";
import { OffsetMap } from "./offsets.ts";
import { readStored } from "./reader.ts";
import { countingMarks, parseMarks, Replaced, readMarks, replacedPath } from "./replaced.ts";
import { chunksOf, headOf, type Segment, type Segments } from "./segments.ts";

/** Which lines a rewriting leaves out, besides the replaced ones. */
type IsOld = (line: Buffer) => boolean;

/** What counts in one segment, copied to another file. */
interface Moved {
  readonly from: Segment;
  readonly offsets: OffsetMap;
  /** How many lines were copied, left out since they are deleted, and left out since they are replaced. */
  kept: number;
  old: number;
  replaced: number;
}

export class Upkeep {
  readonly #root: string;
  readonly #zone: Zone;
  readonly #segments: Segments;
  readonly #ids: IdTable;
  /** Days whose files are being changed: a failure may have left them between two steps. */
  readonly #unfinished = new Set<number>();
  /** Days that were written to since a rewriting began. */
  readonly #written = new Set<number>();

  constructor(root: string, zone: Zone, segments: Segments, ids: IdTable) {
    this.#root = root;
    this.#zone = zone;
    this.#segments = segments;
    this.#ids = ids;
  }

  noteWrite(day: number): void {
    this.#written.add(day);
  }

  /** Before anything is written: a failed step must be done before what comes after it. */
  settleUnfinished(): void {
    for (const day of this.#unfinished) this.settle(day);
  }

  /** Brings a day to where nothing is between two steps: its marks are settled, what was merged is removed. */
  settle(day: number, forDeletion = false): void {
    this.#segments.undoFailed();
    const folder = join(this.#root, dayFolder(day));
    const compressed = listSegments(this.#root, day).filter((name) => name.compressed);
    const merging = compressed.filter((name) => headOf(segmentPath(this.#root, day, name)).merging);
    if (merging.length > 0) syncPath(folder);
    this.#settleMarks(day, new Set(merging.map(({ type }) => type)), forDeletion);
    for (const name of merging) {
      const path = segmentPath(this.#root, day, { ...name, compressed: false });
      rmSync(path, { force: true });
      this.#segments.retire(this.#segments.at(day, name.type));
      syncPath(folder);
      endMerging(segmentPath(this.#root, day, name));
    }
    this.#unfinished.delete(day);
  }

  /** Returns how many patterns went, each counted once whatever versions of it went. */
  *deleteOlderThan(cutoff: bigint): Generator<void, number> {
    const lastDay = dayOf(cutoff);
    const isOld: IsOld = (line) => {
      const stored = readStored(line, this.#zone);
      return stored !== undefined && stored.instant < cutoff;
    };
    let deleted = 0;
    try {
      for (const day of listDays(this.#root).reverse()) {
        if (day > lastDay) break;
        if (day < lastDay) this.#removeDay(day);
        else for (const type of this.#typesOf(day)) yield* this.#rewrite(day, type, isOld);
        yield;
      }
    } finally {
      // What is left of the segments that are gone are the patterns that went: all others were moved.
      deleted = this.#ids.purge((segment) => this.#segments.number(segment).gone);
    }
    return deleted;
  }

  /** Returns how many segments were compressed. */
  *compress(beforeDay: number): Generator<void, number> {
    let compressed = 0;
    for (const day of listDays(this.#root).reverse()) {
      if (day >= beforeDay) break;
      for (const type of this.#typesOf(day)) {
        if (this.#segments.at(day, type).size === 0) continue;
        if (yield* this.#rewrite(day, type)) compressed += 1;
      }
    }
    return compressed;
  }

  /**
   * Whether there was something to do; without `isOld` there always is. A writer that comes to the day meanwhile
   * has it done again, in one step.
   */
  *#rewrite(day: number, type: string, isOld?: IsOld): Generator<void, boolean> {
    const path = segmentPath(this.#root, day, { type, compressed: true });
    for (let hurried = false; ; hurried = true) {
      this.settle(day, isOld !== undefined);
      this.#written.delete(day);
      const sources = this.#sourcesOf(day, type);
      const out = new CompressedWriter(`${path}.new`, {
        generation: Math.max(Date.now(), this.#segments.at(day, type).generation + 1),
        merging: sources.some(({ compressed }) => !compressed),
      });
      try {
        const all = sources.map((from) => ({ from, offsets: new OffsetMap(), kept: 0, old: 0, replaced: 0 }));
        for (const _ of this.#copy(day, all, out, isOld)) if (!hurried) yield;
        out.finish();
        if (!hurried) yield;
        if (this.#written.has(day)) continue;
        if (isOld && all.every(({ old }) => old === 0)) return false;
        this.#publish(day, type, all, out);
        return true;
      } finally {
        out.close();
        out.discard();
      }
    }
  }

  *#copy(day: number, all: readonly Moved[], out: CompressedWriter, isOld?: IsOld): Generator<void, void> {
    const replaced = new Replaced(parseMarks(readMarks(this.#root, day)), this.#progressOf);
    for (const moved of all) {
      const gone = replaced.of(moved.from.type, moved.from.compressed ? moved.from.generation : undefined);
      for (const chunk of chunksOf(moved.from)) {
        eachLine(chunk, (line, offset) => {
          if (isOld?.(line)) moved.old += 1;
          else if (gone.has(offset)) moved.replaced += 1;
          else {
            moved.offsets.add(offset, out.addLine(line));
            moved.kept += 1;
          }
        });
        yield;
      }
    }
  }

  /** One step: nobody writes meanwhile. */
  #publish(day: number, type: string, all: readonly Moved[], out: CompressedWriter): void {
    this.#unfinished.add(day);
    const path = segmentPath(this.#root, day, { type, compressed: true });
    if (all.some(({ kept, replaced }) => kept + replaced > 0)) {
      renameSync(`${path}.new`, path);
      for (const { from } of all) this.#segments.retire(from);
      this.#segments.retire(this.#segments.at(day, type));
      const { number } = this.#segments.adopt(day, type, out.generation);
      for (const { from, offsets } of all) this.#ids.move(from.number, number, (at) => offsets.find(at));
    } else {
      for (const { from } of all.toReversed()) this.#remove(from);
    }
    syncPath(dirname(path));
    this.settle(day);
    if (listSegments(this.#root, day).length === 0) this.#removeEmptyFolders(day);
  }

  #removeDay(day: number): void {
    this.settle(day, true);
    this.#unfinished.add(day);
    const folder = join(this.#root, dayFolder(day));
    for (const type of this.#typesOf(day)) {
      for (const segment of this.#sourcesOf(day, type).reverse()) this.#remove(segment);
    }
    syncPath(folder);
    this.settle(day);
    this.#removeEmptyFolders(day);
  }

  #remove(segment: Segment): void {
    rmSync(segment.path);
    this.#segments.retire(segment);
    // A new .ndjson no longer stands beside it.
    if (segment.compressed) this.#segments.retire(this.#segments.at(segment.day, segment.type));
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
      .map(({ by, ...mark }) => `${JSON.stringify(forDeletion ? mark : { ...mark, by })}\n`)
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

  /** The .gz before the .ndjson, as their lines arrived. */
  #sourcesOf(day: number, type: string): Segment[] {
    return listSegments(this.#root, day)
      .filter((name) => name.type === type)
      .reverse()
      .flatMap(({ compressed }) => {
        const segment = compressed ? this.#segments.compressed(day, type) : this.#segments.at(day, type);
        return segment ?? [];
      });
  }

  readonly #progressOf = (day: number, type: string) => this.#segments.progress(day, type);
}
