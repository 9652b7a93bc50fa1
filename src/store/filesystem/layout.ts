/**
 * On disk, below the store's path:
 *
 *   store.json                     what was fixed when the store was created
 *   .lock                          the writer's lock
 *   YYYY/MM/DD/<type>.ndjson       a segment: the lines of one type whose instant falls on that UTC day,
 *                                  in order of arrival
 *   YYYY/MM/DD/<type>.ndjson.gz    the same once compressed or cut down by a deletion (compressed.ts); what
 *                                  arrives later goes to a new .ndjson beside it, until the next compression
 *   YYYY/MM/DD/.replaced           which of the day's lines a newer version has replaced (replaced.ts)
 *   YYYY/MM/DD/.<type>.index       a cache: what stands where in the .ndjson, and likewise .<type>.gz.index for the
 *                                  .gz (block-index.ts)
 *   .forgotten                     the ids that may not come back, each by its SHA-256, one a line
 *   .upkeep.json                   when deletion and compression ran last (upkeep-file.ts)
 *   .aside/                        what a crash left unfinished at a segment's end, cut off and kept
 *
 * An .ndjson only grows, a .gz is only replaced whole (upkeep.ts). A line is part of the store from its newline on.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { systemCode } from "../../errors.ts";
import { dayText } from "../days.ts";
import { isFolder } from "../durable.ts";

export { dayOf, startOfDay } from "../days.ts";

export const METADATA_FILE = "store.json";
export const LOCK_FILE = ".lock";
export const FORGOTTEN_FILE = ".forgotten";
export const ASIDE_FOLDER = ".aside";
export const REPLACED_FILE = ".replaced";
const SEGMENT_SUFFIX = ".ndjson";
const COMPRESSED_SUFFIX = ".ndjson.gz";

const DAY_MS = 86_400_000;

/** `YYYY/MM/DD`. */
export function dayFolder(day: number): string {
  return dayText(day).replaceAll("-", "/");
}

/** The day of a folder `YYYY/MM/DD`; undefined if there is no such day. */
export function parseDay(folder: string): number | undefined {
  const day = Date.parse(`${folder.replaceAll("/", "-")}T00:00:00Z`) / DAY_MS;
  // Not every parser refuses the 31st of February.
  return Number.isNaN(day) || dayFolder(day) !== folder ? undefined : day;
}

/** The days that have a folder, newest first. Folders that are not ours are none of our business. */
export function listDays(root: string): number[] {
  const folders = listMonths(root).flatMap((month) => inside(root, month));
  return folders.flatMap((folder) => parseDay(folder) ?? []).sort((a, b) => b - a);
}

/** The folders between the store's own and those of its days, `YYYY` and `YYYY/MM`, whether or not they hold a day. */
export function listFoldersAbove(root: string): string[] {
  return [...listFolders(root, /^\d{4}$/), ...listMonths(root)];
}

function listMonths(root: string): string[] {
  return listFolders(root, /^\d{4}$/).flatMap((year) => inside(root, year));
}

/** What is named as a month or a day is, in a folder below the root. */
function inside(root: string, folder: string): string[] {
  return listFolders(join(root, folder), /^\d{2}$/).map((name) => `${folder}/${name}`);
}

export interface SegmentName {
  readonly type: string;
  readonly compressed: boolean;
}

/** The segments of a day, in the order of their names. */
export function listSegments(root: string, day: number): SegmentName[] {
  return list(join(root, dayFolder(day)), /^[a-z][a-z0-9_]{0,63}\.ndjson(\.gz)?$/).map((file) => ({
    type: file.slice(0, file.indexOf(".")),
    compressed: file.endsWith(COMPRESSED_SUFFIX),
  }));
}

/** What a crash left of files that were about to be put into their places. */
export function listUnpublished(root: string, day: number): string[] {
  const folder = join(root, dayFolder(day));
  return list(folder, /^(\.replaced|[a-z][a-z0-9_]{0,63}\.ndjson\.gz)\.new$/).map((name) =>
    join(folder, name),
  );
}

export function segmentPath(root: string, day: number, { type, compressed }: SegmentName): string {
  return join(root, dayFolder(day), type + (compressed ? COMPRESSED_SUFFIX : SEGMENT_SUFFIX));
}

function list(folder: string, form: RegExp): string[] {
  return unlessMissing(() => readdirSync(folder))
    .filter((name) => form.test(name))
    .sort();
}

/** Links to folders are folders, too. */
function listFolders(folder: string, form: RegExp): string[] {
  return unlessMissing(() => readdirSync(folder, { withFileTypes: true }))
    .filter(({ name }) => form.test(name))
    .filter((entry) => entry.isDirectory() || (!entry.isFile() && isFolder(join(folder, entry.name))))
    .map(({ name }) => name)
    .sort();
}

function unlessMissing<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}
