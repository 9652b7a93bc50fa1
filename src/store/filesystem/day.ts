/**
 * A day as it was at one moment, for readers that hold no lock. What is open stays readable whatever becomes of
 * its name, so a view is whole if, once everything is open, the names still lead to the same files: an .ndjson
 * and the marks grow in place, whatever else happens to a segment or to the marks puts another file under the
 * name or removes it. And no inode's number is used again while its file is open.
 */
import { closeSync, lstatSync, readFileSync, statSync } from "node:fs";
import { PatterndError, systemCode } from "../../errors.ts";
import { hashAt, NO_ID } from "../../pattern/id-hash.ts";
import type { Zone } from "../../pattern/zone.ts";
import { openPlainFile } from "../plain-file.ts";
import { firstLineOf, indexPath, isAsIndexed, readIndex } from "./block-index.ts";
import { listBlocks, readBlock, readBlocks, readHead, type StoredBlock } from "./compressed.ts";
import { listSegments, type SegmentName, segmentPath } from "./layout.ts";
import { type Chunk, eachLine, type Range, readChunks, readRange } from "./lines.ts";
import { NOTHING, type Progress, type ProgressOf, parseMarks, Replaced, replacedPath } from "./replaced.ts";

export interface OpenFile {
  readonly path: string;
  readonly fd: number;
  readonly ino: number;
  readonly size: number;
}

export interface OpenSegment extends OpenFile {
  readonly type: string;
  /** The generation, if it is compressed. */
  readonly gz: number | undefined;
}

/** A part of a segment. */
export interface DayBlock extends Range {
  readonly segment: OpenSegment;
  /** Hashes of its lines' ids; undefined where no index says what is there. */
  readonly hashes: Int32Array | undefined;
  /** No line is older or newer. */
  readonly oldest: bigint;
  readonly newest: bigint;
}

const OLDEST = -(2n ** 63n);
const NEWEST = 2n ** 63n - 1n;

/** The end of a text whose length is not known before it is read. */
const WHOLE = Number.MAX_SAFE_INTEGER;

/** What an index says of a segment is not what stands there: somebody else's hand. */
export class WrongIndex extends Error {
  override readonly name = "WrongIndex";
  readonly segment: string;

  constructor(segment: string) {
    super(`the index of ${segment} does not fit it`);
    this.segment = segment;
  }
}

export class DayView {
  /** How far the types have come. */
  readonly progress: ReadonlyMap<string, Progress>;
  readonly #files: readonly OpenFile[];
  /** Those that count, open until `close`. */
  readonly segments: readonly OpenSegment[];
  readonly #replaced: Replaced;
  /** Where the blocks of the compressed segments stand, once it is asked. */
  readonly #stored = new Map<number, readonly StoredBlock[]>();

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
    this.segments = segments.filter(({ type, gz }) => gz !== undefined || !merging.has(type));
    this.progress = progressOfAll(this.segments);
    const marks = files[names.length];
    // After the progress: see replaced.ts.
    this.#replaced = new Replaced(parseMarks(marks ? readFileSync(marks.fd, "utf8") : ""), (byDay, type) =>
      byDay === day ? (this.progress.get(type) ?? progressOf(byDay, type)) : progressOf(byDay, type),
    );
  }

  /** Opens a day's segments, of one type if given. `progressOf`: of other days and types. */
  static open(root: string, day: number, type: string | undefined, progressOf: ProgressOf): DayView {
    return openDay(root, day, type, (files, names) => new DayView(files, names, progressOf, day));
  }

  /** Where in a segment's text the lines begin that don't count. */
  replacedIn({ type, gz }: OpenSegment): ReadonlySet<number> {
    return this.#replaced.of(type, gz);
  }

  /** What there is to read, newest first; what no index knows comes before the rest. `distrusted`: segments. */
  blocks(zone: Zone, distrusted: ReadonlySet<string>): DayBlock[] {
    return this.segments
      .flatMap((segment) => this.#blocksOf(segment, zone, distrusted.has(segment.path)))
      .sort((a, b) => (a.newest === b.newest ? 0 : a.newest > b.newest ? -1 : 1));
  }

  /**
   * Every line that counts, where it begins, and whether it is known to be a pattern. The bytes are only valid during
   * the call.
   *
   * @throws WrongIndex
   */
  read(block: DayBlock, visit: (line: Buffer, offset: number, isPattern: boolean) => void): void {
    const { segment, hashes } = block;
    const gone = this.replacedIn(segment);
    let lines = 0;
    for (const chunk of this.#chunksOf(block)) {
      eachLine(chunk, (line, offset) => {
        const isPattern = hashes !== undefined && hashAt(hashes, lines) !== NO_ID;
        lines += 1;
        if (!gone.has(offset)) visit(line, offset, isPattern);
      });
    }
    if (hashes && hashes.length !== 2 * lines) throw new WrongIndex(segment.path);
  }

  #blocksOf(segment: OpenSegment, zone: Zone, isDistrusted: boolean): DayBlock[] {
    const { fd, path, gz, type, size } = segment;
    const end = gz === undefined ? size : WHOLE;
    const generation = gz ?? this.progress.get(type)?.gz ?? 0;
    const key = { generation, firstLine: gz === undefined ? (firstLineOf(fd) ?? 0) : 0 };
    const { blocks } = isDistrusted ? { blocks: [] } : readIndex(indexPath(path), key, end);
    const last = blocks.at(-1);
    const fits = last && (gz !== undefined || isAsIndexed(fd, last, zone));
    const known = fits ? blocks.map((block) => ({ segment, ...block })) : [];
    const from = fits ? last.to : 0;
    return from < end ? [...known, unindexed(segment, from)] : known;
  }

  *#chunksOf({ segment, from, to, hashes }: DayBlock): Generator<Chunk, void> {
    const { fd, path, gz } = segment;
    if (gz === undefined) {
      if (hashes) yield { bytes: readRange(fd, { from, to }), offset: from };
      else yield* readChunks(fd, to, from);
    } else if (hashes) {
      const stored = this.#storedBlocks(segment).find(({ offset }) => offset === from);
      if (!stored) throw new WrongIndex(path);
      yield readBlock(fd, path, stored);
    } else yield* readBlocks(fd, path, from);
  }

  #storedBlocks({ fd, path }: OpenSegment): readonly StoredBlock[] {
    const known = this.#stored.get(fd);
    if (known) return known;
    const blocks = [...listBlocks(fd, path)];
    this.#stored.set(fd, blocks);
    return blocks;
  }

  close(): void {
    for (const { fd } of this.#files) closeSync(fd);
  }
}

/** All that stands in a segment from there on. */
export function unindexed(segment: OpenSegment, from = 0): DayBlock {
  const to = segment.gz === undefined ? segment.size : WHOLE;
  return { segment, from, to, hashes: undefined, oldest: OLDEST, newest: NEWEST };
}

/**
 * Opens what a day has, at one moment: the segments, of one type if given, in the order of `names`, then the marks
 * if there are any. What `read` makes of them holds the descriptors from then on.
 */
export function openDay<T>(
  root: string,
  day: number,
  type: string | undefined,
  read: (files: readonly OpenFile[], names: readonly SegmentName[]) => T,
): T {
  for (;;) {
    const files: OpenFile[] = [];
    let isDone = false;
    try {
      const names = namesOf(root, day, type);
      if (!openAll(pathsOf(root, day, names), files)) continue;
      const view = read(files, names);
      const paths = pathsOf(root, day, namesOf(root, day, type));
      isDone = paths.length === files.length && files.every((file, n) => isAt(paths[n], file));
      if (isDone) return view;
    } finally {
      if (!isDone) for (const { fd } of files) closeSync(fd);
    }
  }
}

export function progressOfAll(
  segments: readonly Pick<OpenSegment, "type" | "gz" | "size">[],
): Map<string, Progress> {
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
      const { fd, stat } = openPlainFile(path);
      files.push({ path, fd, ino: stat.ino, size: stat.size });
    }
    return true;
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    // A link of somebody's that leads nowhere would be looked for forever.
    const link = paths.find((path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink());
    if (link !== undefined && !statSync(link, { throwIfNoEntry: false }))
      throw new PatterndError("store_failed", `${link} is a link that leads nowhere`, { cause: error });
    return false;
  }
}

function isAt(path: string | undefined, file: OpenFile): boolean {
  return path === file.path && statSync(path, { throwIfNoEntry: false })?.ino === file.ino;
}
