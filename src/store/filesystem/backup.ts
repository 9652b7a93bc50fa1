/**
 * A copy of a store that may be written to meanwhile, without its lock. Each day is copied as it was at one moment
 * (day.ts), one day after the other. What happens to the days between those moments:
 *
 * - A newer version of a pattern has a later instant, so it stands on the same or on a later day: patterns only
 *   ever move forward. Days are copied oldest first, so that whoever moves does so towards what is still to be
 *   copied, and none is lost, even if a compression drops its old line. That needs every day in between to be
 *   looked for when its turn comes, since it may be new, and the end to be looked for again at the end.
 * - A mark is copied if it counts as its day is copied, and waits for nothing any more: the newer line is in the
 *   same view, or it is there on a later day. If a deletion comes to it first, the pattern is gone.
 * - A pattern that moved after its day was copied is in the copy twice. Which ones did can't be told from marks, since
 *   those may be gone, so the copy itself is asked in the end: of versions on different days the latest day's
 *   counts, the others are marked (repeated.ts).
 * - What a deletion takes of days that were copied already stays in the copy.
 *
 * What was forgotten is copied last: a pattern may be in the copy that is forgotten while it is made.
 *
 * Locks, caches, what a crash cut off (`.aside`) and what is not yet published are not copied.
 */
import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { PatterndError } from "../../errors.ts";
import { Zone } from "../../pattern/zone.ts";
import type { BackupProgress, Copied, Copier } from "../backup.ts";
import { isTaken, makeFolder, syncPath, writeFileDurably } from "../durable.ts";
import { endMerging } from "./compressed.ts";
import { DayView, type OpenSegment } from "./day.ts";
import { addForgotten, readForgotten } from "./forgotten-file.ts";
import { dayFolder, listDays, METADATA_FILE, segmentPath } from "./layout.ts";
import { readChunks } from "./lines.ts";
import { readMetadata } from "./metadata.ts";
import { settleRepeated } from "./repeated.ts";
import { NOTHING, type Progress, type ProgressOf, replacedPath, settledMark } from "./replaced.ts";
import { headOf } from "./segments.ts";

type Tell = (progress: BackupProgress) => void;

const CHUNK_BYTES = 1024 * 1024;

export const filesystemCopier: Copier = { target: resolve, obstacle, copy };

/** An empty folder is none: the copy's own is renamed over it. */
function obstacle(target: string): string | undefined {
  const isEmptyFolder = () => lstatSync(target).isDirectory() && readdirSync(target).length === 0;
  return !isTaken(target) || isEmptyFolder() ? undefined : target;
}

async function copy(from: string, to: string, tell: Tell): Promise<Copied> {
  const metadata = readMetadata(from);
  if (!metadata) throw new PatterndError("store_not_found", `there is no store at ${from}`);
  let bytes = 0;
  for (const day of daysOf(from)) {
    bytes += copyDay(from, to, day);
    tell({ phase: "copy", bytes });
    await setImmediate();
  }
  const patterns = await settleRepeated(to, new Zone(metadata.timezone), (read) =>
    tell({ phase: "verify", bytes: read }),
  );
  const forgotten = readForgotten(from);
  if (forgotten.length > 0) addForgotten(to, forgotten);
  writeFileDurably(join(to, METADATA_FILE), readFileSync(join(from, METADATA_FILE)));
  return { made: to, patterns, bytes };
}

/** Every day that may hold patterns, oldest first, up to the newest that there is once all others are done. */
function* daysOf(root: string): Generator<number, void> {
  let day = listDays(root).at(-1);
  for (let last = day; day !== undefined && last !== undefined && day <= last; day += 1) {
    yield day;
    if (day === last) last = listDays(root)[0];
  }
}

/** Returns how many bytes were copied. */
function copyDay(from: string, to: string, day: number): number {
  if (!isTaken(join(from, dayFolder(day)))) return 0;
  const view = DayView.open(from, day, undefined, progressIn(from));
  try {
    if (view.segments.length === 0) return 0;
    makeFolder(join(to, dayFolder(day)));
    let bytes = 0;
    let marks = "";
    for (const segment of view.segments) {
      const { type, gz } = segment;
      bytes += copySegment(segment, segmentPath(to, day, { type, compressed: gz !== undefined }));
      for (const offset of view.replacedIn(segment)) marks += `${settledMark({ type, gz, offset })}\n`;
    }
    if (marks !== "") writeFileDurably(replacedPath(to, day), marks);
    syncPath(join(to, dayFolder(day)));
    return bytes;
  } finally {
    view.close();
  }
}

/** How far other days have come by now; each is asked once. */
function progressIn(root: string): ProgressOf {
  const known = new Map<string, Progress>();
  return (day, type) => {
    const key = `${day} ${type}`;
    const progress = known.get(key) ?? progressOf(root, day, type);
    known.set(key, progress);
    return progress;
  };
}

function progressOf(root: string, day: number, type: string): Progress {
  const view = DayView.open(root, day, type, () => NOTHING);
  view.close();
  return view.progress.get(type) ?? NOTHING;
}

/** Whole lines, or whole blocks; durable under its name once its folder is. Returns its size. */
function copySegment({ fd, size, gz }: OpenSegment, path: string): number {
  const out = openSync(path, "wx", 0o600);
  let bytes = 0;
  try {
    for (const chunk of gz === undefined ? linesOf(fd, size) : bytesOf(fd, size)) {
      for (let done = 0; done < chunk.length; ) done += writeSync(out, chunk, done);
      bytes += chunk.length;
    }
    fsyncSync(out);
  } finally {
    closeSync(out);
  }
  // The .ndjson that is merged in it was not copied.
  if (gz !== undefined && headOf(path).merging) endMerging(path);
  return bytes;
}

function* linesOf(fd: number, size: number): Generator<Buffer, void> {
  for (const { bytes } of readChunks(fd, size)) yield bytes;
}

function* bytesOf(fd: number, size: number): Generator<Buffer, void> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0; at < size; ) {
    const got = readSync(fd, buffer, 0, Math.min(CHUNK_BYTES, size - at), at);
    if (got === 0) throw new PatterndError("backup_failed", "a segment became shorter while it was read");
    yield buffer.subarray(0, got);
    at += got;
  }
}
