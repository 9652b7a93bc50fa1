/** What else grows on disk and is kept in bounds, hourly: what was kept aside, and the log where it is a file of ours. */
import { constants, copyFileSync, lstatSync, rmSync, statSync, truncateSync } from "node:fs";
import type { Config } from "../config/load.ts";
import { asideFiles } from "../forgetting/forget.ts";
import { errorFields, type Log } from "../log.ts";
import { placesOf } from "./upkeeping.ts";

const EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** What replaces a file that something of is forgotten in, until it is whole. Counted, it would make others go. */
const UNFINISHED = /\.new$/;
/** One that is as old as this has lost its writer. */
const ABANDONED_MS = 3_600_000;

/** Now, and each hour until it is ended by what is returned. */
export function boundHourly(current: () => Config, log: Log): () => void {
  const bound = () => {
    const config = current();
    try {
      boundAside(asideFiles(placesOf(config)), config.aside, Date.now(), (removed) =>
        log("info", "aside.removed", { ...removed }),
      );
      if (config.log.file !== null) boundLog(config.log.file, config.log.maxBytes);
    } catch (error) {
      log("warn", "aside.overdue", errorFields(error));
    }
  };
  const timer = setInterval(bound, EVERY_MS);
  bound();
  return () => clearInterval(timer);
}

/** Removes what is older than `days`, then the oldest until what stays is within `maxBytes`. `now`: milliseconds. */
export function boundAside(
  files: readonly string[],
  { days, maxBytes }: { readonly days: number; readonly maxBytes: number },
  now: number,
  onRemoved: (removed: { file: string; bytes: number }) => void,
): void {
  const found = files.flatMap((file) => {
    // A link is one that was refused: it goes, not what it leads to.
    const stat = lstatSync(file, { throwIfNoEntry: false });
    if (!stat || stat.isDirectory()) return [];
    if (UNFINISHED.test(file) && stat.mtimeMs > now - ABANDONED_MS) return [];
    return { file, bytes: stat.size, time: stat.mtimeMs };
  });
  let left = found.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { file, bytes, time } of found.sort((a, b) => a.time - b.time)) {
    if (left <= maxBytes && time >= now - days * DAY_MS) return;
    rmSync(file, { force: true });
    left -= bytes;
    onRemoved({ file, bytes });
  }
}

/**
 * Moves what a log holds to `<file>.1` when it is too large. Copied and cut off, since the file is open for appending:
 * nothing is written between the two, both are done in the one thread that logs.
 */
export function boundLog(file: string, maxBytes: number): void {
  const stat = statSync(file, { throwIfNoEntry: false });
  // A device or a FIFO has no size to bound.
  if (!stat?.isFile() || stat.size <= maxBytes) return;
  copyFileSync(file, `${file}.1`, constants.COPYFILE_FICLONE);
  truncateSync(file);
}
