/** The writer's view of the segments: their sizes, open files, and appending to many of them as one step. */
import { closeSync, fdatasyncSync, fstatSync, openSync, statSync, truncateSync, writeSync } from "node:fs";
import { basename, dirname } from "node:path";
import { PatterndError } from "../../errors.ts";
import { makeFolder, syncPath } from "../durable.ts";
import { openPlainFile } from "../plain-file.ts";
import { type Head, readHead } from "./compressed.ts";
import { listSegments, segmentPath } from "./layout.ts";
import type { Progress } from "./replaced.ts";

const MAX_OPEN_FILES = 64;
const NEWLINE = 10;

export interface Segment {
  readonly day: number;
  readonly type: string;
  readonly path: string;
  readonly compressed: boolean;
  /** Of a compressed one; of an .ndjson that of the compressed one that it stands beside, or 0. */
  readonly generation: number;
  /** Of an .ndjson, in bytes; whole lines only. */
  size: number;
}

/** A line to be written, without its newline: a pattern, say, that makes it when it is asked for it. */
interface Line {
  readonly line: Uint8Array;
  readonly lineBytes: number;
}

const NO_LINE: Line = { line: new Uint8Array(), lineBytes: 0 };

/** What one batch adds to one file. */
export class Addition<L extends Line = Line> {
  readonly path: string;
  readonly before: number;
  readonly #lines: L[] = [];
  #bytes = 0;

  constructor(path: string, before: number) {
    this.path = path;
    this.before = before;
  }

  get end(): number {
    return this.before + this.#bytes;
  }

  get lines(): readonly L[] {
    return this.#lines;
  }

  /** Returns where the line begins. */
  add(line: L): number {
    const offset = this.end;
    this.#lines.push(line);
    this.#bytes += line.lineBytes + 1;
    return offset;
  }

  /** In pieces, each to be written before the next one is made in the same memory. */
  *pieces(room: Buffer): Generator<Uint8Array, void> {
    let end = 0;
    // Not for-of: of every line that would leave garbage here.
    for (let at = 0; at < this.#lines.length; at += 1) {
      const { line, lineBytes } = this.#lines[at] ?? NO_LINE;
      if (lineBytes >= room.length - end) {
        yield room.subarray(0, end);
        end = 0;
      }
      if (lineBytes >= room.length) {
        yield line;
      } else {
        room.set(line, end);
        end += lineBytes;
      }
      room[end] = NEWLINE;
      end += 1;
    }
    yield room.subarray(0, end);
  }
}

/** What goes to the system in one call: it stays in the processor's cache. */
const PIECE_BYTES = 256 * 1024;

export class Segments {
  readonly #root: string;
  readonly #sync: boolean;
  readonly #onSynced: (ms: number) => void;
  readonly #byDay = new Map<number, Map<string, Segment>>();
  /** In order of use: the first is the one to close next. */
  readonly #open = new Map<string, number>();
  readonly #undo: Addition[] = [];
  readonly #room = Buffer.allocUnsafeSlow(PIECE_BYTES);

  constructor(root: string, durability: "fsync" | "os", onSynced: (ms: number) => void = () => {}) {
    this.#root = root;
    this.#sync = durability === "fsync";
    this.#onSynced = onSynced;
  }

  /** The .ndjson of a day and type, which need not exist yet. */
  at(day: number, type: string): Segment {
    const known = this.#byDay.get(day)?.get(type);
    if (known) return known;
    const path = segmentPath(this.#root, day, { type, compressed: false });
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const generation = this.compressed(day, type)?.generation ?? 0;
    return this.#register(type, { day, type, path, compressed: false, generation, size });
  }

  /** The .ndjson.gz of a day and type; undefined if there is none. */
  compressed(day: number, type: string): Segment | undefined {
    const path = segmentPath(this.#root, day, { type, compressed: true });
    const known = this.#byDay.get(day)?.get(basename(path));
    if (known) return known;
    if (!statSync(path, { throwIfNoEntry: false })) return undefined;
    return this.adopt(day, type, headOf(path).generation);
  }

  /** The .ndjson.gz that has just been put into its place. What stands beside it, or will, is another segment, too. */
  adopt(day: number, type: string, generation: number): Segment {
    this.#byDay.get(day)?.delete(type);
    const path = segmentPath(this.#root, day, { type, compressed: true });
    return this.#register(basename(path), { day, type, path, compressed: true, generation, size: 0 });
  }

  /** Those that have a file, of each type the .gz before the .ndjson, as their lines arrived. */
  on(day: number): Segment[] {
    return listSegments(this.#root, day)
      .reverse()
      .flatMap(
        ({ type, compressed }) => (compressed ? this.compressed(day, type) : this.at(day, type)) ?? [],
      );
  }

  /** For a segment whose file was replaced or removed: what comes in its place, or beside it, is another one. */
  retire({ day, type, path, compressed }: Segment): void {
    if (compressed) this.#byDay.get(day)?.delete(basename(path));
    this.#byDay.get(day)?.delete(type);
    this.close(path);
  }

  /** How far a type has come on a day. */
  progress(day: number, type: string): Progress {
    const { generation, size } = this.at(day, type);
    return { gz: generation, size };
  }

  /** A descriptor for reading and appending. */
  file(path: string): number {
    const known = this.#open.get(path);
    if (known !== undefined) {
      this.#open.delete(path);
      this.#open.set(path, known);
      return known;
    }
    if (this.#open.size >= MAX_OPEN_FILES) {
      const [oldest] = this.#open.keys();
      if (oldest !== undefined) this.close(oldest);
    }
    const fd = openSync(path, "a+", 0o600);
    this.#open.set(path, fd);
    return fd;
  }

  /** Appends, and returns when all of it is durable. After an exception none of it counts, then or later. */
  append(additions: readonly Addition[]): void {
    this.undoFailed();
    const begun: Addition[] = [];
    try {
      for (const addition of additions) {
        const fd = this.#openFor(addition);
        begun.push(addition);
        for (const piece of addition.pieces(this.#room)) writeAll(fd, piece);
      }
      if (this.#sync) this.#makeDurable(additions);
    } catch (error) {
      this.takeBack(begun);
      throw error;
    }
  }

  /** Cuts off what was appended: at once if that works, else before anything else is written. */
  takeBack(additions: readonly Addition[]): void {
    // Undone from the end: lines go before the marks that name them.
    this.#undo.unshift(...additions);
    try {
      this.undoFailed();
    } catch {
      // Whatever failed before fails still: append() will not go on before this is done.
    }
  }

  closeAll(): void {
    for (const path of [...this.#open.keys()]) this.close(path);
  }

  close(path: string): void {
    const fd = this.#open.get(path);
    this.#open.delete(path);
    if (fd !== undefined) closeSync(fd);
  }

  #register(name: string, segment: Segment): Segment {
    const ofDay = this.#byDay.get(segment.day) ?? new Map<string, Segment>();
    this.#byDay.set(segment.day, ofDay.set(name, segment));
    return segment;
  }

  #openFor(addition: Addition): number {
    if (addition.before === 0) makeFolder(dirname(addition.path));
    const fd = this.file(addition.path);
    const { size, ino } = fstatSync(fd);
    // A descriptor goes on working when its file was removed or replaced, and what is written to it is gone.
    const isThere = statSync(addition.path, { throwIfNoEntry: false })?.ino === ino;
    if (!isThere || size !== addition.before) {
      const found = isThere ? `has ${size} bytes` : "is gone";
      const message = `${addition.path} ${found} where patternd left ${addition.before} bytes`;
      throw new PatterndError("store_failed", message, {
        hint: "Nothing else may write to the store of a running daemon: restart it, and it reads the store anew.",
      });
    }
    return fd;
  }

  #makeDurable(additions: readonly Addition[]): void {
    if (additions.length === 0) return;
    const started = performance.now();
    for (const { path } of additions) fdatasyncSync(this.file(path));
    const folders = new Set(additions.filter(({ before }) => before === 0).map(({ path }) => dirname(path)));
    for (const folder of folders) syncPath(folder);
    this.#onSynced(performance.now() - started);
  }

  /**
   * Before anything else is written, what failed is cut off again. The descriptor is not used any more: after
   * a failed fsync it may report success for pages that never reached the disk.
   */
  undoFailed(): void {
    for (let addition = this.#undo.at(-1); addition; addition = this.#undo.at(-1)) {
      this.close(addition.path);
      if (statSync(addition.path, { throwIfNoEntry: false })) truncateSync(addition.path, addition.before);
      this.#undo.pop();
    }
  }
}

export function headOf(path: string): Head {
  const { fd } = openPlainFile(path);
  try {
    return readHead(fd, path);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}
