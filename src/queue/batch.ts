/** A batch between the queue's parts: its lines, what parsing made of them, and what became of each. */
import { messageOf, PatterndError } from "../errors.ts";
import { Lines } from "../pattern/lines.ts";
import type { RejectedLine } from "../pattern/rejection.ts";
import type { Outcome, ReceivedLine, Refusal, Settlement } from "../pattern/settlement.ts";

/** A parsed batch: what is to be written, and the lines that are not among it, by their place. */
export interface Parsed<Patterns> {
  readonly patterns: Patterns;
  /** The id of the first one, if there is any. */
  readonly firstId: string | undefined;
  readonly refused: ReadonlyMap<number, Refusal>;
}

export type Parse<Patterns> = (lines: Lines) => Promise<Parsed<Patterns>>;

const SETTLED = {
  stored: { kind: "stored" },
  replaced: { kind: "replaced" },
  superseded: { kind: "superseded" },
  spooled: { kind: "spooled" },
} as const satisfies Record<string, Settlement>;

/** What becomes of each line: `outcomes` has one for each that is not refused, in order. */
export function settlementsOf(
  lines: Lines,
  { refused }: Pick<Parsed<unknown>, "refused">,
  outcomes: readonly (Outcome | "spooled")[],
): Settlement[] {
  if (refused.size === 0)
    return Array.from({ length: lines.length }, (_, at) => SETTLED[outcomes[at] ?? missing()]);
  const next = outcomes.values();
  return Array.from(lines, ({ bytes }, index) => {
    const refusal = refused.get(index);
    if (!refusal) return SETTLED[next.next().value ?? missing()];
    if (refusal.kind === "not_collected") return refusal;
    return { kind: "rejected", line: { rejection: refusal.rejection, bytes } };
  });
}

/** Those that are not refused. */
export function acceptedLines(lines: Lines, { refused }: Pick<Parsed<unknown>, "refused">): Lines {
  return refused.size === 0 ? lines : Lines.of(acceptedOf([...lines], { refused }));
}

/** What is not refused of what belongs to each line. */
export function acceptedOf<T>(
  items: readonly T[],
  { refused }: Pick<Parsed<unknown>, "refused">,
): readonly T[] {
  return refused.size === 0 ? items : items.filter((_, index) => !refused.has(index));
}

export function missing(): never {
  throw new PatterndError("internal", "a batch was answered with fewer outcomes than it has patterns");
}

export function notStorable({ bytes }: ReceivedLine, id: string | undefined, error: unknown): RejectedLine {
  const message = `the store refuses this pattern: ${messageOf(error)}`;
  const about = id === undefined ? {} : { patternId: id };
  return { rejection: { code: "not_storable", message, ...about }, bytes };
}
