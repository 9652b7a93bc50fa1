/** Files to be read by a name that anybody may have put something else under. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
} from "node:fs";
import { PatterndError, systemCode } from "../errors.ts";

/** A FIFO opened in the usual way keeps whoever opens it waiting for its other end. */
const READ_WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK;

export const OBSTRUCTED =
  "Something else stands where a file of the store belongs: move it away. `patternd check-store` says more.";

export interface PlainFile {
  readonly fd: number;
  readonly stat: Stats;
}

/** Open for reading until the caller closes it; a link to a file is a file. @throws PatterndError `store_failed` for anything else. */
export function openPlainFile(path: string): PlainFile {
  const fd = openSync(path, READ_WITHOUT_WAITING);
  let isPlain = false;
  try {
    const stat = fstatSync(fd);
    isPlain = stat.isFile();
    if (isPlain) return { fd, stat };
    throw new PatterndError("store_failed", `${path} is no plain file`, { hint: OBSTRUCTED });
  } finally {
    if (!isPlain) closeSync(fd);
  }
}

/** The whole of it. @throws PatterndError `store_failed` for what is no file. */
export function readPlainFile(path: string): Buffer {
  const { fd } = openPlainFile(path);
  try {
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** What a name leads to, by whatever links; undefined if that is nothing. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (systemCode(error) === "ELOOP") return undefined;
    throw error;
  }
}

/** Whether something has this name that can't be read as a file. */
export function isObstacle(path: string): boolean {
  const stat = statOf(path);
  // A file may have come since: only a link that leads nowhere stands in the way.
  if (!stat) return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  return !stat.isFile();
}
