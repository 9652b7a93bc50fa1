/** Files to be read by a name that anybody may have put something else under. */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { PatterndError } from "../errors.ts";

/** A FIFO opened in the usual way keeps whoever opens it waiting for its other end. */
export const READ_WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK;

const HINT =
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
    throw new PatterndError("store_failed", `${path} is no plain file`, { hint: HINT });
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
