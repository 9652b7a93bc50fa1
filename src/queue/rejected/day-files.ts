/**
 * The folder of rejected lines: a file for each UTC day, `YYYY-MM-DD.ndjson`, and one for each import that refused any,
 * `imports-YYYY-MM-DDT….ndjson`. Here a day is either one's name without the end.
 */
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "../../errors.ts";
import type { RejectedFilter } from "../../pattern/rejection.ts";
import { isMeant, type KeptLine, parseKept } from "./kept-record.ts";
import { linesBackwards, linesForwards, type Range, type RecordLine } from "./record-lines.ts";
import { openPlainFile, type SizedFile } from "./removal.ts";

const NEWLINE = 10;
const IMPORT = "imports-";
const DAY_FORM = /^(\d{4}-\d{2}-\d{2}|imports-\d{4}-\d{2}-\d{2}T[\d.-]+Z)\.ndjson$/;
/** What a replacement is called until it is whole. */
const UNFINISHED_FORM = /^(imports-)?\d{4}-\d{2}-\d{2}(T[\d.-]+Z)?\.ndjson\.new$/;

/** A day's file, open for reading. What stands before `size` stays as it is for as long as the file does. */
export type DayFile = SizedFile;

/** `YYYY-MM-DD` */
export function dateOf(day: string): string {
  return day.replace(IMPORT, "").slice(0, "YYYY-MM-DD".length);
}

export function isUnfinished(name: string): boolean {
  return UNFINISHED_FORM.test(name);
}

/** The days with a file, oldest first, a date's imports before its other lines; none if there is no folder. */
export async function daysIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    // A folder or a FIFO of somebody's is no day of ours, whatever it is called.
    const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
    const days = files.flatMap(({ name }) => DAY_FORM.exec(name)?.[1] ?? []);
    const place = (day: string) => (day.startsWith(IMPORT) ? day.slice(IMPORT.length) : `${day}~`);
    return days.sort((a, b) => (place(a) < place(b) ? -1 : 1));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

export function pathOfDay(folder: string, day: string): string {
  return join(folder, `${day}.ndjson`);
}

/** Of every day, in bytes. A file that goes meanwhile has none. */
export async function sizesOf(folder: string, days: readonly string[]): Promise<number[]> {
  return Promise.all(
    days.map(async (day) => {
      const there = await unlessMissing(stat(pathOfDay(folder, day)));
      return there?.size ?? 0;
    }),
  );
}

/** How many lines a day's file holds; undefined if it can't be read. */
export async function linesOf(folder: string, day: string): Promise<number | undefined> {
  let lines = 0;
  try {
    const blocks: AsyncIterable<Buffer> = createReadStream(pathOfDay(folder, day));
    for await (const block of blocks) {
      for (let at = block.indexOf(NEWLINE); at !== -1; at = block.indexOf(NEWLINE, at + 1)) lines += 1;
    }
    return lines;
  } catch {
    return undefined;
  }
}

/** Undefined if the file is not there (any more), or is none. */
export function openDay(folder: string, day: string): Promise<DayFile | undefined> {
  return openPlainFile(pathOfDay(folder, day));
}

/** Whether any line that was kept on this day can be meant. */
export function mayHold({ since, until }: RejectedFilter, day: string): boolean {
  const start = BigInt(Date.parse(`${dateOf(day)}T00:00:00Z`)) * 1_000_000n;
  const end = start + 86_400_000_000_000n;
  return (since === undefined || since < end) && (until === undefined || until >= start);
}

/** A kept line with its place in its file. */
export interface PlacedLine {
  readonly range: Range;
  readonly kept: KeptLine;
}

/** The lines of one file that are meant, as they came. Damaged records are told and passed over. */
export async function* keptForwards(
  { handle, size }: DayFile,
  filter: RejectedFilter,
  onDamaged: (range: Range) => void,
): AsyncGenerator<PlacedLine> {
  for await (const line of linesForwards(handle, size)) {
    const kept = read(line, onDamaged);
    if (kept && isMeant(filter, kept)) yield { range: line, kept };
  }
}

/** The lines of all files that are meant, newest first. Damaged records are told and passed over. */
export async function* keptNewestFirst(
  folder: string,
  filter: RejectedFilter,
  onDamaged: () => void,
): AsyncGenerator<KeptLine> {
  const days = (await daysIn(folder)).filter((day) => mayHold(filter, day));
  const keptOn = (day: string) => keptBackwards(folder, day, filter, onDamaged);
  for (let day = days.pop(); day !== undefined; day = days.pop()) {
    for await (const kept of keptOn(day)) {
      // The lines of an import have one time, which is in its name.
      const here = IMPORT + kept.time.replaceAll(":", "-");
      for (let next = days.at(-1); next !== undefined && next > here; next = days.at(-1)) {
        days.pop();
        yield* keptOn(next);
      }
      yield kept;
    }
  }
}

async function* keptBackwards(
  folder: string,
  day: string,
  filter: RejectedFilter,
  onDamaged: () => void,
): AsyncGenerator<KeptLine> {
  const file = await openDay(folder, day);
  if (!file) return;
  try {
    for await (const line of linesBackwards(file.handle, file.size)) {
      const kept = read(line, onDamaged);
      if (kept && isMeant(filter, kept)) yield kept;
    }
  } finally {
    await file.handle.close();
  }
}

/** What has no newline is being written, or its writer has gone before anybody was told that it is kept. */
function read(line: RecordLine, onDamaged: (range: Range) => void): KeptLine | undefined {
  const kept = line.bytes && parseKept(line.bytes);
  if (!kept && line.terminated) onDamaged(line);
  return kept;
}

async function unlessMissing<T>(opening: Promise<T>): Promise<T | undefined> {
  try {
    return await opening;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
