import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { hashId } from "../../pattern/id-hash.ts";
import type { Pattern } from "../../pattern/pattern.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { OnDeleted, OpenOptions, Outcome } from "../backend.ts";
import type { Cutoffs } from "../cutoffs.ts";
import { isTaken, syncPath } from "../durable.ts";
import { Doubles, isNewer } from "./doubles.ts";
import { IdIndex } from "./ids.ts";
import { KnownPatterns, type Location, type Version } from "./known.ts";
import {
  dayFolder,
  dayOf,
  listDays,
  listFoldersAbove,
  listSegments,
  listUnpublished,
  startOfDay,
} from "./layout.ts";
import { cutTornTail } from "./repair.ts";
import { markLine, type Place, replacedPath } from "./replaced.ts";
import { Addition, type Segment, Segments } from "./segments.ts";
import { Upkeep } from "./upkeep.ts";

/** A version that the batch has come to; `location` is what it leaves to be marked, if anything is. */
type Coming = Omit<Version, "location"> & { readonly location: Location | undefined };

/** What a batch will do, decided before anything is written. */
class Plan {
  readonly outcomes: Outcome[] = [];
  readonly files = new Map<Segment, Addition<Pattern>>();
  /** By the path of the day's file. */
  readonly marks = new Map<string, Addition>();
  readonly replaced: Place[] = [];
  readonly doubles: Doubles;
  /** Of ids that are in the batch more than once. */
  readonly versions = new Map<string, Coming>();
  /** Of the instant that was asked for last: most of a batch lies on one day. */
  #day = 0;
  #dayStart = 0n;
  #dayEnd = 0n;

  constructor(patterns: readonly Pattern[]) {
    this.doubles = new Doubles(patterns);
  }

  dayOf(instant: bigint): number {
    if (instant < this.#dayStart || instant >= this.#dayEnd) {
      this.#day = dayOf(instant);
      this.#dayStart = startOfDay(this.#day);
      this.#dayEnd = startOfDay(this.#day + 1);
    }
    return this.#day;
  }
}

export class SegmentWriter {
  readonly #root: string;
  readonly #segments: Segments;
  readonly #ids: IdIndex;
  readonly #known: KnownPatterns;
  readonly #upkeep: Upkeep;

  /** Repairs what a crash left, and reads which ids are there. */
  constructor(options: OpenOptions, zone: Zone) {
    this.#root = options.path;
    this.#segments = new Segments(options.path, options.durability, options.onSynced);
    const days = listDays(this.#root);
    for (const day of days) this.#repair(day, options);
    if (options.durability === "fsync") this.#makeDurable(days);
    this.#ids = new IdIndex(this.#segments, zone);
    this.#known = new KnownPatterns(this.#root, zone, this.#segments, this.#ids);
    this.#upkeep = new Upkeep(this.#root, zone, this.#segments, this.#ids, this.#known);
    for (const day of days) this.#upkeep.settle(day);
    this.#ids.load(days.flatMap((day) => this.#segments.on(day)));
  }

  write(patterns: readonly Pattern[]): Outcome[] {
    this.#upkeep.settleUnfinished();
    this.#known.trim();
    const plan = new Plan(patterns);
    for (const pattern of patterns) plan.outcomes.push(this.#decide(pattern, plan));
    this.#append([...plan.marks.values()], [...plan.files.values()], plan);
    for (const [segment, addition] of plan.files) segment.size = addition.end;
    for (const [segment, { lines, before }] of plan.files) this.#ids.add(segment, lines, before);
    for (const segment of plan.files.keys()) this.#ids.flush(segment);
    for (const place of plan.replaced) this.#known.noteReplaced(place);
    return plan.outcomes;
  }

  get(id: string): string | undefined {
    this.#known.trim();
    const known = this.#known.find(id, hashId(id));
    return known && Buffer.from(known.line).toString("utf8");
  }

  /** Each step is short; patterns may be written between two. */
  deleteOlderThan(cutoffs: Cutoffs, onDeleted: OnDeleted = () => {}): Generator<void, number> {
    return this.#upkeep.deleteOlderThan(cutoffs, onDeleted);
  }

  /** Likewise. */
  compress(beforeDay: number): Generator<void, number> {
    return this.#upkeep.compress(beforeDay);
  }

  /** Likewise. */
  forget(ids: readonly string[]): Generator<void, number> {
    return this.#upkeep.forget(ids);
  }

  close(): void {
    this.#ids.close();
    this.#segments.closeAll();
  }

  /** Marks first: see replaced.ts for what this gives a reader, and whoever opens the store after a crash. */
  #append(marks: readonly Addition[], lines: readonly Addition[], { files, replaced }: Plan): void {
    for (const { day } of files.keys()) this.#upkeep.noteWrite(day);
    for (const { day } of replaced) this.#upkeep.noteWrite(day);
    this.#segments.append(marks);
    try {
      this.#segments.append(lines);
    } catch (error) {
      this.#segments.takeBack(marks);
      throw error;
    }
  }

  #decide(pattern: Pattern, plan: Plan): Outcome {
    const isDouble = plan.doubles.has(pattern);
    const last: Coming | undefined =
      (isDouble && plan.versions.get(pattern.id)) || this.#knownVersion(pattern);
    if (last && !isNewer(pattern, last)) return "superseded";
    // A version that another one of the batch replaces is not written: a crash could leave it, or the one before it,
    // beside the last one, since each file of a batch comes by itself.
    const isPassing = isDouble && plan.doubles.isPassing(pattern);
    const location = isPassing ? last?.location : this.#plan(pattern, plan, isDouble || last !== undefined);
    if (!isPassing && last?.location && location)
      this.#mark(last.location, location, pattern.lineBytes + 1, plan);
    if (isDouble) plan.versions.set(pattern.id, { location, instant: pattern.instant, line: pattern.line });
    return last ? "replaced" : "stored";
  }

  #knownVersion(pattern: Pattern): Version | undefined {
    const { hash } = pattern;
    return this.#ids.mayHold(hash) ? this.#known.find(pattern.id, hash) : undefined;
  }

  /** Says where the line will stand if that is wanted: of most lines nobody wants to know. */
  #plan(pattern: Pattern, plan: Plan, isWanted: boolean): Location | undefined {
    const segment = this.#segments.at(plan.dayOf(pattern.instant), pattern.type);
    let addition = plan.files.get(segment);
    if (!addition) {
      addition = new Addition(segment.path, segment.size);
      plan.files.set(segment, addition);
    }
    const offset = addition.add(pattern);
    return isWanted ? { segment, offset } : undefined;
  }

  #mark({ segment, offset }: Location, by: Location, bytes: number, plan: Plan): void {
    const { day, type, compressed, generation } = segment;
    const place = { day, type, gz: compressed ? generation : undefined, offset };
    const path = replacedPath(this.#root, day);
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const addition = plan.marks.get(path) ?? new Addition(path, size);
    plan.marks.set(path, addition);
    const successor = {
      day: by.segment.day,
      type: by.segment.type,
      gz: by.segment.generation,
      size: by.offset + bytes,
    };
    const line = Buffer.from(markLine(place, successor));
    addition.add({ line, lineBytes: line.byteLength });
    plan.replaced.push(place);
  }

  #repair(day: number, options: OpenOptions): void {
    for (const path of listUnpublished(this.#root, day)) rmSync(path);
    for (const { type, compressed } of listSegments(this.#root, day)) {
      if (compressed) continue;
      const segment = this.#segments.at(day, type);
      const repair = cutTornTail(this.#root, segment);
      if (!repair) continue;
      segment.size -= repair.bytes;
      options.onRepair?.(repair);
    }
  }

  /**
   * A crash may have left lines that are readable and not durable. From here on they are known, and a sender that
   * sends one again is told that it is stored: so they have to be.
   */
  #makeDurable(days: readonly number[]): void {
    // All marks before any line: a line without its mark is a second version.
    for (const day of days) {
      const marks = replacedPath(this.#root, day);
      if (isTaken(marks)) syncPath(marks);
    }
    // Whoever made a folder, or removed what was in it, may have been killed before that was durable.
    const folders = ["", ...listFoldersAbove(this.#root), ...days.map(dayFolder)];
    for (const folder of folders) syncPath(join(this.#root, folder));
    for (const day of days) {
      for (const name of listSegments(this.#root, day)) {
        if (!name.compressed) syncPath(this.#segments.at(day, name.type).path);
      }
    }
  }
}
