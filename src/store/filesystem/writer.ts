import { closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Pattern } from "../../pattern/pattern.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { OpenOptions, Outcome } from "../backend.ts";
import { syncPath } from "../durable.ts";
import { hashId, type IdHash, IdTable, type Location } from "./ids.ts";
import { dayFolder, dayOf, listDays, listTypes } from "./layout.ts";
import { readLineAt, readLines } from "./lines.ts";
import { readStored } from "./reader.ts";
import { cutTornTail } from "./repair.ts";
import { markLine, readReplaced, replacedPath, settleMarks } from "./replaced.ts";
import { Addition, type Segment, Segments } from "./segments.ts";

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

  /** Repairs what a crash left, and reads which ids are there. */
  constructor(options: OpenOptions, zone: Zone) {
    this.#root = options.path;
    this.#zone = zone;
    this.#segments = new Segments(options.path, options.durability);
    const days = listDays(this.#root);
    for (const day of days) this.#repair(day, options);
    if (options.durability === "fsync") for (const day of days) this.#makeDurable(day);
    for (const day of days) settleMarks(this.#root, day, this.#sizeOf);
    for (const day of days) this.#readIds(day);
  }

  write(patterns: readonly Pattern[]): Outcome[] {
    const plan: Plan = { outcomes: [], lines: new Map(), marks: new Map(), versions: new Map() };
    for (const pattern of patterns) plan.outcomes.push(this.#decide(pattern, plan));
    const marks = [...plan.marks.values()];
    const lines = [...plan.lines.values()];
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

  close(): void {
    this.#segments.close();
  }

  #decide(pattern: Pattern, plan: Plan): Outcome {
    const planned = plan.versions.get(pattern.id);
    const hash = planned?.hash ?? hashId(pattern.id);
    const last = planned ?? this.#find(pattern.id, hash);
    if (last && pattern.instant < last.instant) return "superseded";
    if (last && pattern.instant === last.instant && Buffer.compare(last.line, pattern.line) === 0)
      return "superseded";
    const location = this.#plan(pattern, plan);
    if (last) this.#mark(last.location, location, plan);
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

  #mark(old: Location, by: Location, plan: Plan): void {
    const place = this.#segments.place(old.segment, old.offset);
    const path = replacedPath(this.#root, place.day);
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const addition = plan.marks.get(path) ?? new Addition(path, size);
    plan.marks.set(path, addition);
    addition.addLine(Buffer.from(markLine(place, this.#segments.place(by.segment, by.offset))));
  }

  #find(id: string, hash: IdHash): Version | undefined {
    let found: Version | undefined;
    this.#ids.find(hash, (location) => {
      const { path } = this.#segments.number(location.segment);
      const line = readLineAt(this.#segments.file(path), location.offset);
      const stored = line && readStored(line, this.#zone);
      if (!line || stored?.id !== id) return false;
      found = { location, instant: stored.instant, line };
      return true;
    });
    return found;
  }

  #repair(day: number, options: OpenOptions): void {
    for (const type of listTypes(this.#root, day)) {
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
    for (const type of listTypes(this.#root, day)) syncPath(this.#segments.at(day, type).path);
    syncPath(join(this.#root, dayFolder(day)));
  }

  #readIds(day: number): void {
    const replaced = readReplaced(this.#root, day, this.#sizeOf);
    for (const type of listTypes(this.#root, day)) {
      const segment = this.#segments.at(day, type);
      const gone = replaced.get(type);
      const fd = openSync(segment.path, "r");
      try {
        readLines(fd, segment.size, (line, offset) => {
          const stored = gone?.has(offset) ? undefined : readStored(line, this.#zone);
          if (stored) this.#ids.set(hashId(stored.id), { segment: segment.number, offset });
        });
      } finally {
        closeSync(fd);
      }
    }
  }

  readonly #sizeOf = (day: number, type: string): number => this.#segments.at(day, type).size;
}
