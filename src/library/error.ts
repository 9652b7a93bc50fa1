import type { Rejection, RejectionCode } from "../pattern/rejection.ts";

/**
 * A pattern that breaks a rule, with the code that the daemon rejects it with (docs/protocol.md). Everything else that
 * goes wrong is a PatterndError.
 */
export class PatternError extends Error {
  readonly code: RejectionCode;
  /** The field, as a dotted path from the pattern's root; undefined when it is the pattern as a whole. */
  readonly path: string | undefined;
  readonly patternId: string | undefined;
  /** Its place among those that were saved together; undefined when only the store could tell, and does not. */
  readonly index: number | undefined;

  constructor({ code, path, message, patternId }: Rejection, index?: number, options?: ErrorOptions) {
    super(path === undefined ? message : `${path}: ${message}`, options);
    this.name = "PatternError";
    this.code = code;
    this.path = path;
    this.patternId = patternId;
    this.index = index;
  }
}
