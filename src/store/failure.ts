import { messageOf, PatterndError, systemCode } from "../errors.ts";
import { NotStorable } from "./backend.ts";
import { OBSTRUCTED } from "./plain-file.ts";

const DENIED =
  "A store's files all belong to the user whom patternd runs as, with modes 0600 and 0700: run this as that user (`sudo -u USER patternd …`), or give that user what is another's (chown).";

/** Where the catalogue's hint would leave people looking at a disk that is well. */
const HINTS = new Map([
  ["EACCES", DENIED],
  ["EPERM", DENIED],
  ["EISDIR", OBSTRUCTED],
]);

/** The system's errors, and a library's that have a code, as `store_failed`. */
export function inOurTerms<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    const code = systemCode(cause);
    if (cause instanceof PatterndError || cause instanceof NotStorable || code === undefined) throw cause;
    const hint = HINTS.get(code);
    const options = hint === undefined ? { cause } : { cause, hint };
    throw new PatterndError("store_failed", `${path}: ${messageOf(cause)}`, options);
  }
}
