/** Why a line is refused: the codes of the protocol (docs/protocol.md). The last three are not the parser's to find. */
export const REJECTION_CODES = [
  "invalid_json",
  "invalid_utf8",
  "line_too_long",
  "too_deep",
  "not_an_object",
  "missing_field",
  "invalid_field",
  "unknown_pattern_type",
  "incomplete_line",
  "overloaded",
  "not_storable",
] as const;

export type RejectionCode = (typeof REJECTION_CODES)[number];

/** Bad input is a value: what is wrong with a line, where, and what was expected. */
export interface Rejection {
  readonly code: RejectionCode;
  readonly message: string;
  /** The field, as a dotted path from the pattern's root. */
  readonly path?: string;
  readonly patternId?: string;
}

/** A refused line as it is kept. */
export interface RejectedLine {
  readonly rejection: Rejection;
  /** The line, or the beginning of it. */
  readonly bytes: Uint8Array;
  /** Given when `bytes` is only the beginning. */
  readonly whole?: { readonly length: number; readonly sha256: string };
}

/** Which kept lines are meant: those with this code that were refused between these instants, both inclusive. */
export interface RejectedFilter {
  readonly code?: string;
  /** Nanoseconds since the epoch. */
  readonly since?: bigint;
  readonly until?: bigint;
}
