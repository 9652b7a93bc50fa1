/** A batch between the queue's parts. */
import { messageOf, PatterndError } from "../errors.ts";
import type { RejectedLine } from "../pattern/rejection.ts";
import type { ReceivedLine, Refusal } from "../pattern/settlement.ts";

/** A parsed batch: what is to be written, and the lines that are not among it, by their place. */
export interface Parsed<Patterns> {
  readonly patterns: Patterns;
  /** The id of the first one, if there is any. */
  readonly firstId: string | undefined;
  readonly refused: ReadonlyMap<number, Refusal>;
}

export function missing(): never {
  throw new PatterndError("internal", "a batch was answered with fewer outcomes than it has patterns");
}

export function notStorable({ bytes }: ReceivedLine, id: string | undefined, error: unknown): RejectedLine {
  const message = `the store refuses this pattern: ${messageOf(error)}`;
  const about = id === undefined ? {} : { patternId: id };
  return { rejection: { code: "not_storable", message, ...about }, bytes };
}
