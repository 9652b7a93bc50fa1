/** Taking lines out of files that nobody writes to: what was kept aside, what emitters left, what an import refused. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemCode } from "../errors.ts";
import { syncPath, writeFileDurably } from "../store/durable.ts";
import type { IsMeant } from "./meant.ts";

const NEWLINE = 10;

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

/**
 * Takes the lines that are meant out of a file, whole or not at all, and removes one in which no line is left. Returns
 * how many went, or would. Links and whatever else is no plain file are left alone.
 */
export function forgetIn(file: string, isMeant: IsMeant, isDry: boolean): number {
  const bytes = readPlainFile(file);
  if (!bytes) return 0;
  const kept: Buffer[] = [];
  let gone = 0;
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline + 1;
    const line = bytes.subarray(start, end);
    if (isMeant(newline === -1 ? line : line.subarray(0, -1))) gone += 1;
    else kept.push(line);
    start = end;
  }
  if (gone === 0 || isDry) return gone;
  if (kept.some((line) => line.toString("latin1").trim() !== "")) writeFileDurably(file, Buffer.concat(kept));
  else rmSync(file, { force: true });
  syncPath(dirname(file));
  return gone;
}

function readPlainFile(file: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ELOOP") return undefined;
    throw error;
  }
  try {
    return fstatSync(fd).isFile() ? readFileSync(fd) : undefined;
  } finally {
    closeSync(fd);
  }
}
