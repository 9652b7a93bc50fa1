/** Names on disk that survive a power cut: a file's fsync covers its content, its folder's covers its name. */
import {
  close,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { systemCode } from "../errors.ts";

/** Makes the folder, and its entry in each parent that had to be made too, durable. */
export function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) syncPath(dirname(made));
}

/** A file or a folder, by its name; for anything else, a FIFO say, the system's error. */
export function syncPath(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Published whole or not at all, whatever happens meanwhile. */
export function writeFileDurably(file: string, content: string | Uint8Array): void {
  const fd = openSync(`${file}.new`, "w", 0o600);
  try {
    writeFileSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${file}.new`, file);
  syncPath(dirname(file));
}

/** A file that may be gone already; Node's rmSync looks twice what it is before it removes it. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
}

/** Other threads have other things to do, too. */
const MOST_FREED_AT_ONCE = 8;
let beingFreed = 0;

/**
 * To free what a file takes keeps whoever does it waiting: on ext4 0.1 ms for a small one, 50 for 200 MB. The system does
 * it with the last descriptor, which is left to another thread to close while there are few.
 */
export function removeAndFreeLater(path: string): void {
  const fd = beingFreed < MOST_FREED_AT_ONCE ? openAsItIs(path) : undefined;
  try {
    removeFile(path);
  } finally {
    if (fd !== undefined) {
      beingFreed += 1;
      // Nobody can read it any more: whether the closing works matters to nobody.
      close(fd, () => {
        beingFreed -= 1;
      });
    }
  }
}

/** False if it stays: what is not empty, and what can't be removed, a link or a mount point say. */
export function removeEmptyFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return code === "ENOENT";
  }
}

/** Undefined for what can't be opened. */
function openAsItIs(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

/** Whether this is a folder, or a link to one. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Whether there is anything under this name, a link that leads nowhere included. */
export function isTaken(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
