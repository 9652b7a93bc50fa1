/** Taking lines out of files that nobody writes to: what was kept aside, and what emitters left. */
import { constants, readdirSync } from "node:fs";
import { type FileHandle, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { systemCode } from "../errors.ts";
import { syncFolder } from "../queue/folders.ts";
import { partsOf, type RecordLine } from "../queue/rejected/record-lines.ts";
import {
  isStillThere,
  leavingLines,
  openPlainFile,
  replaceWithout,
  type SizedFile,
} from "../queue/rejected/removal.ts";
import type { IsMeant } from "./meant.ts";
import type { WrittenIds } from "./written-ids.ts";

/** The files in a folder whose names have this form; none if there is no such folder. */
export function filesIn(folder: string, form: RegExp): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => form.test(name))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return [];
    throw error;
  }
}

export interface Meant {
  readonly ids: WrittenIds;
  readonly isMeant: IsMeant;
  /** What is longer, in bytes, is no line: it is meant when an id stands in it. */
  readonly maxLineBytes: number;
}

/**
 * Takes the lines that are meant out of a file, whole or not at all, and removes one in which no line is left. Resolves
 * to how many went, or would, durably. Links and whatever else is no plain file are left alone.
 */
export async function forgetIn(path: string, meant: Meant, isDry: boolean): Promise<number> {
  const file = await openPlainFile(path, constants.O_NOFOLLOW);
  if (!file) return 0;
  try {
    return await forgetInOpen(file, meant, isDry);
  } finally {
    await file.handle.close();
  }
}

async function forgetInOpen(file: SizedFile, meant: Meant, isDry: boolean): Promise<number> {
  const { size } = file;
  const isLeaving = ({ bytes, ...range }: RecordLine) =>
    bytes ? meant.isMeant(bytes) : holdsAny(meant.ids, file.handle, range);
  const { ranges, lines, isAnyLeft } = await leavingLines(file, size, isLeaving, meant.maxLineBytes);
  if (lines === 0 || isDry) return lines;
  // What was kept aside is kept in bounds meanwhile.
  if (!(await isStillThere(file))) return 0;
  if (isAnyLeft) await replaceWithout(file, ranges.all, size);
  else await rm(file.path, { force: true });
  await syncFolder(dirname(file.path));
  return lines;
}

/** Whether an id stands in a range of any length. */
export async function holdsAny(
  ids: WrittenIds,
  handle: FileHandle,
  range: { readonly start: number; readonly end: number },
): Promise<boolean> {
  for await (const part of partsOf(handle, range, ids.longest)) if (ids.standIn(part)) return true;
  return false;
}
