import type { IdHash } from "./id-hash.ts";
import type { PatternType } from "./schema.ts";

/** The four built-in types by the names that the Python library gave them. */
export const PatternTypes = {
  TASK_COMPLETION: "task_completion",
  ERROR_OCCURRENCE: "error_occurrence",
  AGENT_USAGE: "agent_usage",
  USER_CORRECTION: "user_correction",
} as const satisfies Record<string, PatternType>;

/**
 * An accepted line, and beside it what is indexed: bound from the parsed value once, never re-extracted.
 * The line itself is the stored form, byte for byte as it was received, without its newline.
 */
export interface Pattern {
  readonly id: string;
  readonly hash: IdHash;
  readonly type: string;
  /** The timestamp as it was written. */
  readonly timestamp: string;
  /** The moment that it names, in nanoseconds since 1970-01-01T00:00:00Z. */
  readonly instant: bigint;
  readonly tags: readonly string[];
  /** What the agent filter matches: `data.agent`, `data.agent_type` and `context.agent`, each once. */
  readonly agents: readonly string[];
  readonly project: string | undefined;
  readonly session: string | undefined;
  readonly host: string | undefined;
  readonly line: Uint8Array;
  /** How long that is. */
  readonly lineBytes: number;
}
