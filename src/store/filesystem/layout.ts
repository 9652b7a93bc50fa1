/**
 * On disk, below the store's path:
 *
 *   store.json                     what was fixed when the store was created
 *   .lock                          the writer's lock
 *   YYYY/MM/DD/<type>.ndjson       a segment: the lines of one type whose instant falls on that UTC day,
 *                                  in order of arrival
 *   YYYY/MM/DD/.replaced           which of the day's lines a newer version has replaced (replaced.ts)
 *   .aside/                        what a crash left unfinished at a segment's end, cut off and kept
 *
 * A segment only grows. A line is part of the store from its newline on.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";

export const METADATA_FILE = "store.json";
export const LOCK_FILE = ".lock";
export const ASIDE_FOLDER = ".aside";
export const REPLACED_FILE = ".replaced";
export const SEGMENT_SUFFIX = ".ndjson";

const DAY_MS = 86_400_000;
const NANOS_PER_DAY = BigInt(DAY_MS) * 1_000_000n;

/** The UTC day of an instant, as days since the epoch. */
export function dayOf(instant: bigint): number {
  const floor = instant / NANOS_PER_DAY;
  return Number(instant < 0n && floor * NANOS_PER_DAY !== instant ? floor - 1n : floor);
}

/** `YYYY/MM/DD`. */
export function dayFolder(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10).replaceAll("-", "/");
}

/** The days that have a folder, newest first. Folders that are not ours are none of our business. */
export function listDays(root: string): number[] {
  const days: number[] = [];
  for (const year of list(root, /^\d{4}$/)) {
    for (const month of list(join(root, year), /^\d{2}$/)) {
      for (const day of list(join(root, year, month), /^\d{2}$/)) {
        const number = Date.parse(`${year}-${month}-${day}T00:00:00Z`) / DAY_MS;
        // Not every parser refuses the 31st of February.
        if (!Number.isNaN(number) && dayFolder(number) === `${year}/${month}/${day}`) days.push(number);
      }
    }
  }
  return days.sort((a, b) => b - a);
}

/** The types that have a segment on a day. */
export function listTypes(root: string, day: number): string[] {
  return list(join(root, dayFolder(day)), /^[a-z][a-z0-9_]{0,63}\.ndjson$/).map((file) =>
    file.slice(0, -SEGMENT_SUFFIX.length),
  );
}

export function segmentPath(root: string, day: number, type: string): string {
  return join(root, dayFolder(day), type + SEGMENT_SUFFIX);
}

function list(folder: string, form: RegExp): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => form.test(name))
      .sort();
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return [];
    throw error;
  }
}
