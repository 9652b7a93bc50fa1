/** A day as it is at one moment, read past what is damaged: which lines it has, and which of them count. */
import { closeSync, readFileSync } from "node:fs";
import type { Head } from "../compressed.ts";
import { type OpenFile, openDay, progressOfAll } from "../day.ts";
import type { SegmentName } from "../layout.ts";
import { eachLine, readChunks } from "../lines.ts";
import {
  type Place,
  type Progress,
  type ProgressOf,
  parseMarks,
  Replaced,
  replacedPath,
} from "../replaced.ts";
import { type Part, salvage, salvageHead } from "./salvage.ts";

/** As far as a type can come. */
export const REACHED: Progress = { gz: Number.MAX_SAFE_INTEGER, size: Number.MAX_SAFE_INTEGER };

export interface SegmentFile extends OpenFile {
  readonly type: string;
  /** Of a compressed one: its head, or undefined if that is damaged. */
  readonly head: Head | undefined;
  /** The generation, if it is compressed; the one that the marks name if its own is damaged. */
  readonly gz: number | undefined;
}

export interface DayLine {
  readonly place: Place;
  /** From 1, in the text. */
  readonly number: number;
  /** Without newline; only valid during the call. */
  readonly bytes: Buffer;
  readonly counts: boolean;
  /** Whether a block of the compressed segment begins with it. */
  readonly beginsBlock: boolean;
  /** False in a block with a wrong checksum, whose lines may be altered: then it does not count. */
  readonly isCertain: boolean;
}

export interface Damage {
  readonly at: number;
  readonly found: string;
}

export class DayLines {
  readonly root: string;
  readonly day: number;
  readonly progress: ReadonlyMap<string, Progress>;
  /** Those that count, the compressed before the other. */
  readonly segments: readonly SegmentFile[];
  /** Types whose .ndjson is merged in their .gz already, though the merging is not finished. */
  readonly merging: ReadonlySet<string>;
  /** The text of the marks. */
  readonly marks: string;
  /** How far the types of any day have come. */
  readonly progressOf: ProgressOf;
  readonly #files: readonly OpenFile[];
  readonly #replaced: Replaced;

  private constructor(
    root: string,
    day: number,
    names: readonly SegmentName[],
    files: readonly OpenFile[],
    progressOf: ProgressOf,
  ) {
    this.root = root;
    this.day = day;
    this.#files = files;
    const segments = files.slice(0, names.length).map((file, n) => {
      const { type = "", compressed = false } = names[n] ?? {};
      return { ...file, type, compressed, head: compressed ? salvageHead(file.fd, file.path) : undefined };
    });
    this.merging = new Set(segments.flatMap(({ type, head }) => (head?.merging ? type : [])));
    // Files were opened, and their sizes taken, before: see replaced.ts.
    const marksFile = files[names.length];
    this.marks = marksFile ? readFileSync(marksFile.fd, "utf8") : "";
    const marks = parseMarks(this.marks);
    this.segments = segments
      .filter(({ type, compressed }) => compressed || !this.merging.has(type))
      .map(({ compressed, ...segment }) => {
        const named = marks.flatMap(({ type, gz }) => (type === segment.type ? (gz ?? 0) : []));
        const gz = compressed ? (segment.head?.generation ?? Math.max(0, ...named)) : undefined;
        return { ...segment, gz };
      })
      .reverse();
    // Of a generation that can't be read whatever waits for it has come: else marks of other days would seem pending.
    this.progress = progressOfAll(
      this.segments.map((segment) => (isHeadless(segment) ? { ...segment, gz: REACHED.gz } : segment)),
    );
    this.progressOf = (of, type) =>
      of === day ? (this.progress.get(type) ?? progressOf(of, type)) : progressOf(of, type);
    this.#replaced = new Replaced(marks, this.progressOf);
  }

  static open(root: string, day: number, progressOf: ProgressOf): DayLines {
    return openDay(root, day, undefined, (files, names) => new DayLines(root, day, names, files, progressOf));
  }

  get marksPath(): string {
    return replacedPath(this.root, this.day);
  }

  /** Whether the generation of a type can't be read. */
  isHeadless(type: string): boolean {
    return this.segments.some((segment) => segment.type === type && isHeadless(segment));
  }

  /** Each line of a segment. Returns how long its text is, without what stands behind the last newline. */
  read(
    segment: SegmentFile,
    visit: (line: DayLine) => void,
    onDamage: (damage: Damage) => void = () => {},
    tick: () => void = () => {},
  ): number {
    const { type, gz } = segment;
    const gone = this.#replaced.of(type, gz);
    let number = 0;
    let end = 0;
    for (const part of partsOf(segment)) {
      if (part.kind === "damage") {
        onDamage(part);
        continue;
      }
      const { bytes, offset: base, isCertain } = part;
      end = base + bytes.length;
      eachLine({ bytes, offset: base }, (line, offset) => {
        number += 1;
        const place = { day: this.day, type, gz, offset };
        const counts = isCertain && !gone.has(offset);
        visit({ place, number, bytes: line, counts, beginsBlock: offset === base, isCertain });
      });
      tick();
    }
    return end;
  }

  close(): void {
    for (const { fd } of this.#files) closeSync(fd);
  }
}

function isHeadless({ gz, head }: SegmentFile): boolean {
  return gz !== undefined && head === undefined;
}

function* partsOf({ fd, path, gz, size }: SegmentFile): Generator<Part, void> {
  if (gz !== undefined) yield* salvage(fd, path);
  else
    for (const { bytes, offset } of readChunks(fd, size))
      yield { kind: "text", bytes, offset, isCertain: true };
}
