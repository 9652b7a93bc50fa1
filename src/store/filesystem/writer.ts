import { closeSync, openSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Pattern } from "../../pattern/pattern.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { OpenOptions, Outcome } from "../backend.ts";
import { syncPath } from "../durable.ts";
import { readBlocks } from "./compressed.ts";
import { hashId, type IdHash, IdTable, type Location } from "./ids.ts";
import { dayFolder, dayOf, listDays, listSegments, listUnpublished } from "./layout.ts";
import { type Chunk, eachLine, readLineAt } from "./lines.ts";
import { readStored } from "./reader.ts";
import { cutTornTail } from "./repair.ts";
import { markLine, parseMarks, Replaced, readMarks, replacedPath } from "./replaced.ts";
import { Addition, chunksOf, type Segment, Segments } from "./segments.ts";
import { Upkeep } from "./upkeep.ts";

interface Version {
  readonly location: Location;
  readonly instant: bigint;
  readonly line: Uint8Array;
}

interface PlannedVersion extends Version {
  readonly hash: IdHash;
  /** Where the version stands that was the newest before the batch. */
  readonly known: Location | undefined;
}

/** What a batch will do, decided before anything is written. */
interface Plan {
  readonly outcomes: Outcome[];
  readonly lines: Map<Segment, Addition>;
  /** By the path of the day's file. */
  readonly marks: Map<string, Addition>;
  /** The newest version of each id that the batch changes. */
  readonly versions: Map<string, PlannedVersion>;
}

export class SegmentWriter {
  readonly #root: string;
  readonly #zone: Zone;
  readonly #segments: Segments;
  readonly #ids = new IdTable();
  readonly #upkeep: Upkeep;
  /** The block that was decompressed last: who sends old patterns again sends many of them. */
  #block: { readonly segment: number; readonly chunk: Chunk } | undefined;

  /** Repairs what a crash left, and reads which ids are there. */
  constructor(options: OpenOptions, zone: Zone) {
    this.#root = options.path;
    this.#zone = zone;
    this.#segments = new Segments(options.path, options.durability);
    const days = listDays(this.#root);
    this.#upkeep = new Upkeep(this.#root, this.#zone, this.#segments, this.#ids);
    for (const day of days) this.#repair(day, options);
    if (options.durability === "fsync") for (const day of days) this.#makeDurable(day);
    for (const day of days) this.#upkeep.settle(day);
    for (const day of days) this.#readIds(day);
  }

  write(patterns: readonly Pattern[]): Outcome[] {
    const plan: Plan = { outcomes: [], lines: new Map(), marks: new Map(), versions: new Map() };
    this.#upkeep.settleUnfinished();
    for (const pattern of patterns) plan.outcomes.push(this.#decide(pattern, plan));
    const marks = [...plan.marks.values()];
    const lines = [...plan.lines.values()];
    for (const { day } of plan.lines.keys()) this.#upkeep.noteWrite(day);
    // Marks first: see replaced.ts for what this gives a reader, and whoever opens the store after a crash.
    this.#segments.append(marks);
    try {
      this.#segments.append(lines);
    } catch (error) {
      this.#segments.takeBack(marks);
      throw error;
    }
    for (const { hash, location, known } of plan.versions.values()) this.#ids.set(hash, location, known);
    for (const [segment, addition] of plan.lines) segment.size = addition.end;
    return plan.outcomes;
  }

  get(id: string): string | undefined {
    const known = this.#find(id, hashId(id));
    return known && Buffer.from(known.line).toString("utf8");
  }

  /** Each step is short; patterns may be written between two. */
  deleteOlderThan(cutoff: bigint): Generator<void, number> {
    return this.#upkeep.deleteOlderThan(cutoff);
  }

  /** Likewise. */
  compress(beforeDay: number): Generator<void, number> {
    return this.#upkeep.compress(beforeDay);
  }

  close(): void {
    this.#segments.closeAll();
  }

  #decide(pattern: Pattern, plan: Plan): Outcome {
    const planned = plan.versions.get(pattern.id);
    const hash = planned?.hash ?? hashId(pattern.id);
    const last = planned ?? this.#find(pattern.id, hash);
    if (last && pattern.instant < last.instant) return "superseded";
    if (last && pattern.instant === last.instant && Buffer.compare(last.line, pattern.line) === 0)
      return "superseded";
    const location = this.#plan(pattern, plan);
    if (last) this.#mark(last.location, location, pattern.line.byteLength + 1, plan);
    const { instant, line } = pattern;
    const known = planned ? planned.known : last?.location;
    plan.versions.set(pattern.id, { location, instant, line, hash, known });
    return last ? "replaced" : "stored";
  }

  #plan(pattern: Pattern, plan: Plan): Location {
    const segment = this.#segments.at(dayOf(pattern.instant), pattern.type);
    const addition = plan.lines.get(segment) ?? new Addition(segment.path, segment.size);
    plan.lines.set(segment, addition);
    return { segment: segment.number, offset: addition.addLine(pattern.line) };
  }

  #mark(old: Location, by: Location, bytes: number, plan: Plan): void {
    const place = this.#segments.place(old.segment, old.offset);
    const path = replacedPath(this.#root, place.day);
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const addition = plan.marks.get(path) ?? new Addition(path, size);
    plan.marks.set(path, addition);
    const { day, type, generation } = this.#segments.number(by.segment);
    const successor = { day, type, gz: generation, size: by.offset + bytes };
    addition.addLine(Buffer.from(markLine(place, successor)));
    this.#upkeep.noteWrite(place.day);
  }

  #find(id: string, hash: IdHash): Version | undefined {
    let found: Version | undefined;
    this.#ids.find(hash, (location) => {
      const line = this.#lineAt(location);
      const stored = line && readStored(line, this.#zone);
      if (!line || stored?.id !== id) return false;
      found = { location, instant: stored.instant, line };
      return true;
    });
    return found;
  }

  #lineAt({ segment: number, offset }: Location): Buffer | undefined {
    const segment = this.#segments.number(number);
    if (segment.gone) return undefined;
    if (!segment.compressed) return readLineAt(this.#segments.file(segment.path), offset);
    let chunk = this.#block?.segment === number ? this.#block.chunk : undefined;
    if (!chunk || offset < chunk.offset || offset >= chunk.offset + chunk.bytes.length) {
      chunk = readBlockAt(segment.path, offset);
      this.#block = chunk && { segment: number, chunk };
    }
    const start = offset - (chunk?.offset ?? 0);
    const end = chunk?.bytes.indexOf("\n", start) ?? -1;
    return end === -1 ? undefined : chunk?.bytes.subarray(start, end);
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
  #makeDurable(day: number): void {
    for (const name of listSegments(this.#root, day)) {
      if (!name.compressed) syncPath(this.#segments.at(day, name.type).path);
    }
    syncPath(join(this.#root, dayFolder(day)));
  }

  #readIds(day: number): void {
    const replaced = new Replaced(parseMarks(readMarks(this.#root, day)), (of, type) =>
      this.#segments.progress(of, type),
    );
    for (const { type, compressed } of listSegments(this.#root, day)) {
      const segment = compressed ? this.#segments.compressed(day, type) : this.#segments.at(day, type);
      if (!segment) continue;
      const gone = replaced.of(type, compressed ? segment.generation : undefined);
      for (const chunk of chunksOf(segment)) {
        eachLine(chunk, (line, offset) => {
          const stored = gone.has(offset) ? undefined : readStored(line, this.#zone);
          if (stored) this.#ids.set(hashId(stored.id), { segment: segment.number, offset });
        });
      }
    }
  }
}

function readBlockAt(path: string, offset: number): Chunk | undefined {
  const fd = openSync(path, "r");
  try {
    for (const chunk of readBlocks(fd, path, offset)) return chunk;
    return undefined;
  } finally {
    closeSync(fd);
  }
}
