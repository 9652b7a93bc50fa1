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
 * never goes before the line that it hides, nor a newer version before the older one, which has one; within a day the
 * marks are made not to wait for lines that go. A deletion rewrites a segment for replaced lines alone, too: what was
 * deleted is not left in there.
 */
import { renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { hashId } from "../../pattern/id-hash.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { OnDeleted } from "../backend.ts";
import type { Cutoffs } from "../cutoffs.ts";
import { startOfDay } from "../days.ts";
import { isTaken, removeAndFreeLater, removeFile, syncPath, writeFileDurably } from "../durable.ts";
import { CompressedWriter, endMerging } from "./compressed.ts";
import type { IdIndex } from "./ids.ts";
import type { KnownPatterns } from "./known.ts";
import { dayFolder, listDays, listSegments, segmentPath } from "./layout.ts";
import { type Leaving, NOTHING_LEAVES, oldOfType, withIds } from "./leaving.ts";
import { copy, leavesAny, type Moved, movedFrom } from "./moved.ts";
import { Removals } from "./removals.ts";
import { awaitedDays, countingMarks, type Mark, parseMarks, readMarks, replacedPath } from "./replaced.ts";
import type { SegmentIds } from "./segment-ids.ts";
import { headOf, type Segment, type Segments } from "./segments.ts";

export class Upkeep {
  readonly #root: string;
  readonly #zone: Zone;
  readonly #segments: Segments;
  readonly #ids: IdIndex;
  readonly #known: KnownPatterns;
  readonly #removals: Removals;
  /** Days whose files are being changed: a failure may have left them between two steps. */
  readonly #unfinished = new Set<number>();
  /** Days that were written to since a rewriting began. */
  readonly #written = new Set<number>();
  /** For which days' lines a day's marks wait, as far as that is known. */
  readonly #awaited = new Map<number, ReadonlySet<string>>();

  constructor(root: string, zone: Zone, segments: Segments, ids: IdIndex, known: KnownPatterns) {
    this.#root = root;
    this.#zone = zone;
    this.#segments = segments;
    this.#ids = ids;
    this.#known = known;
    this.#removals = new Removals(root);
  }

  noteWrite(day: number): void {
    this.#written.add(day);
    this.#awaited.delete(day);
  }

  /** Before anything is written: a failed step must be done before what comes after it. */
  settleUnfinished(): void {
    this.#segments.undoFailed();
    for (const day of this.#unfinished) this.settle(day);
    this.#removals.makeDurable();
  }

  /** Brings a day to where nothing is between two steps: its marks are settled, what was merged is removed. */
  settle(day: number, forDeletion = false): void {
    this.#segments.undoFailed();
    // No mark is gone for good before its line is.
    if (this.#unfinished.has(day)) this.#removals.makeDurable();
    this.#known.forget(day);
    const folder = join(this.#root, dayFolder(day));
    const compressed = listSegments(this.#root, day).filter((name) => name.compressed);
    const merging = compressed.filter((name) => headOf(segmentPath(this.#root, day, name)).merging);
    if (merging.length > 0) syncPath(folder);
    const name = dayFolder(day);
    this.#settleMarks(
      day,
      new Set(merging.map(({ type }) => type)),
      ({ by }) => forDeletion && by?.day === name,
    );
    for (const name of merging) {
      this.#remove(this.#segments.at(day, name.type));
      syncPath(folder);
      endMerging(segmentPath(this.#root, day, name));
    }
    this.#unfinished.delete(day);
  }

  /** Returns how many patterns went, each counted once whatever versions of it went. */
  *deleteOlderThan(cutoffs: Cutoffs, onDeleted: OnDeleted): Generator<void, number> {
    let deleted = 0;
    for (const day of listDays(this.#root).reverse()) {
      if (startOfDay(day) >= cutoffs.latest) break;
      const removed = yield* this.#deleteOn(day, cutoffs);
      deleted += removed;
      if (removed > 0) onDeleted(removed);
      yield;
    }
    this.#removals.makeDurable();
    yield* this.#ids.tidy();
    return deleted;
  }

  /** Returns how many patterns went, of which every line goes. */
  *forget(ids: readonly string[]): Generator<void, number> {
    let forgotten = 0;
    const places = new Map<number, Set<string>>();
    for (const id of ids) {
      if (this.#known.find(id)) forgotten += 1;
      for (const { segment } of this.#ids.find(hashId(id))) {
        const types = places.get(segment.day) ?? new Set();
        places.set(segment.day, types.add(segment.type));
      }
      yield;
    }
    const leaving = withIds(ids, this.#zone);
    for (const [day, types] of [...places].sort(([a], [b]) => a - b)) {
      for (const type of types) yield* this.#rewrite(day, type, leaving);
    }
    // What a deletion that failed half way has removed is gone for good, too.
    this.#removals.makeDurable();
    yield* this.#ids.tidy();
    return forgotten;
  }

  /** Returns how many segments were compressed. */
  *compress(beforeDay: number): Generator<void, number> {
    let compressed = 0;
    for (const day of listDays(this.#root).reverse()) {
      if (day >= beforeDay) break;
      for (const type of this.#typesOf(day)) {
        if (this.#segments.at(day, type).size === 0) continue;
        yield* this.#rewrite(day, type, NOTHING_LEAVES);
        compressed += 1;
      }
    }
    yield* this.#ids.tidy();
    return compressed;
  }

  *#deleteOn(day: number, cutoffs: Cutoffs): Generator<void, number> {
    const types = this.#typesOf(day);
    // A crash before its folder went, or a file that the disk held on to for a moment, as NFS does.
    if (types.length === 0) this.#removals.removeFolders(day);
    const isWhole = (type: string) => !cutoffs.hasKeepTags && cutoffs.of(type) >= startOfDay(day + 1);
    const whole = new Set(types.filter(isWhole));
    // By age alone no day goes before an older one: then no mark waits for what goes but of the day itself.
    if (whole.size > 0 && !cutoffs.isPlain) this.#release(day, whole);
    let deleted = this.#removeTypes(day, whole);
    for (const type of types) {
      if (isWhole(type) || cutoffs.of(type) <= startOfDay(day)) continue;
      deleted += yield* this.#rewrite(day, type, oldOfType(type, cutoffs, this.#zone));
    }
    return deleted;
  }

  /**
   * Leaves out what is to leave, and does nothing if that is nothing. A writer that comes to the day meanwhile has
   * it done again, in one step. Returns how many patterns left.
   */
  *#rewrite(day: number, type: string, leaving: Leaving): Generator<void, number> {
    if (leaving !== NOTHING_LEAVES && !(yield* leavesAny(this.#sourcesOf(day, type), leaving, this.#ids)))
      return 0;
    const path = segmentPath(this.#root, day, { type, compressed: true });
    for (let hurried = false; ; hurried = true) {
      this.settle(day, leaving !== NOTHING_LEAVES);
      this.#written.delete(day);
      const sources = this.#sourcesOf(day, type);
      const generation = Math.max(Date.now(), this.#segments.at(day, type).generation + 1);
      const merging = sources.some(({ compressed }) => !compressed);
      const out = new CompressedWriter(`${path}.new`, { generation, merging });
      const ids = this.#ids.create({ path, compressed: true, generation });
      try {
        const all = sources.map((from) => movedFrom(from, this.#known.replacedOf(from)));
        for (const moved of all)
          for (const _ of copy(moved, { out, ids }, leaving, this.#ids)) if (!hurried) yield;
        out.finish();
        if (!hurried) yield;
        if (this.#written.has(day)) continue;
        if (leaving !== NOTHING_LEAVES && all.every(({ left }) => left === 0)) return 0;
        this.#publish(day, type, all, ids, generation);
        return all.reduce((sum, { patternsLeft }) => sum + patternsLeft, 0);
      } finally {
        out.close();
        out.discard();
      }
    }
  }

  /** One step: nobody writes meanwhile. */
  #publish(day: number, type: string, all: readonly Moved[], ids: SegmentIds, generation: number): void {
    this.#unfinished.add(day);
    this.#removals.noteFiles(day);
    const path = segmentPath(this.#root, day, { type, compressed: true });
    const isKept = all.some(({ kept, replaced }) => kept + replaced > 0);
    if (isKept) {
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
      this.#release(day, new Set([type]));
      for (const { from } of all.toReversed()) this.#remove(from);
      removeFile(`${path}.new`);
    }
    this.settle(day);
    if (!isKept) this.#removals.removeFolders(day);
  }

  /** Returns how many patterns went. */
  #removeTypes(day: number, types: ReadonlySet<string>): number {
    if (types.size === 0) return 0;
    this.settle(day, true);
    this.#unfinished.add(day);
    this.#removals.noteFiles(day);
    let deleted = 0;
    for (const segment of this.#segments.on(day).reverse()) {
      if (!types.has(segment.type)) continue;
      deleted += this.#ids.patternsOf(segment) - this.#known.replacedOf(segment).size;
      this.#remove(segment);
    }
    if (readMarks(this.#root, day) === "") {
      this.#known.forget(day);
      this.#unfinished.delete(day);
    } else this.settle(day);
    this.#removals.removeFolders(day);
    return deleted;
  }

  /**
   * Before lines go whose older versions stay elsewhere, on days that are kept for longer: what those marks wait for
   * is about to be no more, and they count all the same.
   */
  #release(gone: number, types: ReadonlySet<string>): void {
    const name = dayFolder(gone);
    for (const day of listDays(this.#root)) {
      if (day === gone) continue;
      const awaited = this.#awaited.get(day) ?? awaitedDays(parseMarks(readMarks(this.#root, day)));
      this.#awaited.set(day, awaited);
      if (!awaited.has(name)) continue;
      this.#settleMarks(day, new Set(), ({ by }) => by?.day === name && types.has(by.type));
      this.#known.forget(day);
      this.#awaited.delete(day);
    }
  }

  /** The index first: it must not outlive what it was made for. */
  #remove(segment: Segment): void {
    this.#ids.discardFile(segment);
    // Before that: this descriptor must not be the last one.
    this.#segments.close(segment.path);
    removeAndFreeLater(segment.path);
    this.#ids.forget(segment);
    this.#segments.retire(segment);
  }

  /** Drops every mark whose line is no more, or is in an .ndjson that is merged; released ones wait for nothing. */
  #settleMarks(day: number, merged: ReadonlySet<string>, isReleased: (mark: Mark) => boolean): void {
    const text = readMarks(this.#root, day);
    const settled = countingMarks(parseMarks(text), this.#progressOf)
      .filter(({ type, gz, offset }) =>
        gz === undefined
          ? !merged.has(type) && offset < this.#segments.at(day, type).size
          : this.#segments.compressed(day, type)?.generation === gz,
      )
      .map((mark) => (isReleased(mark) ? { ...mark, by: undefined } : mark))
      .map((mark) => `${JSON.stringify(mark)}\n`)
      .join("");
    const path = replacedPath(this.#root, day);
    if (settled === text && text !== "") return;
    this.#segments.close(path);
    if (settled !== "") writeFileDurably(path, settled);
    else if (isTaken(path)) removeFile(path);
    if (text !== "") syncPath(dirname(path));
  }

  #typesOf(day: number): string[] {
    return [...new Set(listSegments(this.#root, day).map(({ type }) => type))];
  }

  #sourcesOf(day: number, type: string): Segment[] {
    return this.#segments.on(day).filter((segment) => segment.type === type);
  }

  readonly #progressOf = (day: number, type: string) => this.#segments.progress(day, type);
}
