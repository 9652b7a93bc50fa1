/**
 * A day as it was at one moment, for readers that hold no lock. What is open stays readable whatever becomes of
 * its name, so a view is whole if, once everything is open, the names still lead to the same files: an .ndjson
 * and the marks grow in place, whatever else happens to a segment or to the marks puts another file under the
 * name or removes it. And no inode's number is used again while its file is open.
 */
import { closeSync, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { systemCode } from "../../errors.ts";
import { readBlocks, readHead } from "./compressed.ts";
import { listSegments, type SegmentName, segmentPath } from "./layout.ts";
import { eachLine, readChunks } from "./lines.ts";
import { NOTHING, type Progress, type ProgressOf, parseMarks, Replaced, replacedPath } from "./replaced.ts";

interface OpenFile {
  readonly path: string;
  readonly fd: number;
  readonly ino: number;
  readonly size: number;
}

interface OpenSegment extends OpenFile {
  readonly type: string;
  /** The generation, if it is compressed. */
  readonly gz: number | undefined;
}

export class DayView {
  /** How far the types have come. */
  readonly progress: ReadonlyMap<string, Progress>;
  readonly #files: readonly OpenFile[];
  readonly #segments: readonly OpenSegment[];
  readonly #replaced: Replaced;

  private constructor(
    files: readonly OpenFile[],
    names: readonly SegmentName[],
    progressOf: ProgressOf,
    day: number,
  ) {
    this.#files = files;
    const merging = new Set<string>();
    const segments = files.slice(0, names.length).map((file, index) => {
      const { type = "", compressed = false } = names[index] ?? {};
      const head = compressed ? readHead(file.fd, file.path) : undefined;
      if (head?.merging) merging.add(type);
      return { ...file, type, gz: head?.generation };
    });
    this.#segments = segments.filter(({ type, gz }) => gz !== undefined || !merging.has(type));
    this.progress = progressOfAll(this.#segments);
    const marks = files[names.length];
    // After the progress: see replaced.ts.
    this.#replaced = new Replaced(parseMarks(marks ? readFileSync(marks.fd, "utf8") : ""), (byDay, type) =>
      byDay === day ? (this.progress.get(type) ?? progressOf(byDay, type)) : progressOf(byDay, type),
    );
  }

  /** Opens a day's segments, of one type if given. `progressOf`: of other days and types. */
  static open(root: string, day: number, type: string | undefined, progressOf: ProgressOf): DayView {
    for (;;) {
      const files: OpenFile[] = [];
      let view: DayView | undefined;
      try {
        const names = namesOf(root, day, type);
        if (!openAll(pathsOf(root, day, names), files)) continue;
        const opened = new DayView(files, names, progressOf, day);
        const paths = pathsOf(root, day, namesOf(root, day, type));
        if (paths.length !== files.length || !files.every((file, n) => isAt(paths[n], file))) continue;
        view = opened;
        return view;
      } finally {
        if (!view) for (const { fd } of files) closeSync(fd);
      }
    }
  }

  /** Every line that counts. The bytes are only valid during the call. */
  read(visit: (line: Buffer) => void): void {
    for (const { fd, size, path, type, gz } of this.#segments) {
      const gone = this.#replaced.of(type, gz);
      for (const chunk of gz === undefined ? readChunks(fd, size) : readBlocks(fd, path)) {
        eachLine(chunk, (line, offset) => {
          if (!gone.has(offset)) visit(line);
        });
      }
    }
  }

  close(): void {
    for (const { fd } of this.#files) closeSync(fd);
  }
}

function progressOfAll(segments: readonly OpenSegment[]): Map<string, Progress> {
  const all = new Map<string, Progress>();
  for (const { type, gz, size } of segments) {
    const known = all.get(type) ?? NOTHING;
    all.set(type, gz === undefined ? { ...known, size } : { ...known, gz });
  }
  return all;
}

function namesOf(root: string, day: number, type: string | undefined): SegmentName[] {
  return listSegments(root, day).filter((name) => type === undefined || name.type === type);
}

/** The segments, then the marks if there are any. */
function pathsOf(root: string, day: number, names: readonly SegmentName[]): string[] {
  const marks = replacedPath(root, day);
  const paths = names.map((name) => segmentPath(root, day, name));
  return statSync(marks, { throwIfNoEntry: false }) ? [...paths, marks] : paths;
}

/** False if one is gone meanwhile. */
function openAll(paths: readonly string[], files: OpenFile[]): boolean {
  try {
    for (const path of paths) {
      const fd = openSync(path, "r");
      const { ino, size } = fstatSync(fd);
      files.push({ path, fd, ino, size });
    }
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

function isAt(path: string | undefined, file: OpenFile): boolean {
  return path === file.path && statSync(path, { throwIfNoEntry: false })?.ino === file.ino;
}
