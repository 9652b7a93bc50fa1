/** Whether a scheduled deletion goes ahead, or is announced first: nobody's history goes without a word. Pure. */
import { isShorter, longerOf, type RetentionPolicy } from "./policy.ts";

export const REASONS = ["first", "imported", "shortened", "large"] as const;
export type Reason = (typeof REASONS)[number];

/** A deletion that was announced. Moments are milliseconds since the epoch. */
export interface Planned {
  readonly announced: number;
  /** When it goes ahead at the earliest. */
  readonly due: number;
  readonly reasons: readonly Reason[];
  readonly policy: RetentionPolicy;
  /** How many patterns, when it was announced. */
  readonly patterns: number;
  readonly byType: Readonly<Record<string, number>>;
}

export interface Past {
  /** The longest that counted since the last scheduled deletion, its own too; undefined if there was none. */
  readonly settled: RetentionPolicy | undefined;
  /** Whether patterns were imported since the last deletion, or since the last announcement. */
  readonly imported: boolean;
  readonly planned: Planned | undefined;
}

export interface Wanted {
  readonly policy: RetentionPolicy;
  /** How many patterns would go, and by type. */
  readonly patterns: number;
  readonly byType: Readonly<Record<string, number>>;
  /** Whether that is more than half of what there is. */
  readonly isMost: boolean;
}

export type Decision =
  | { readonly do: "delete" }
  | { readonly do: "wait"; readonly planned: Planned }
  | { readonly do: "announce"; readonly planned: Planned };

export function decide(wanted: Wanted, past: Past, now: number, graceMs: number): Decision {
  const { policy, patterns, byType } = wanted;
  if (patterns === 0) return { do: "delete" };
  const reasons = REASONS.filter((reason) => APPLIES[reason](wanted, past));
  // One that a clock made which was ahead would keep things for as long as it was.
  const planned = past.planned && past.planned.announced <= now ? past.planned : undefined;
  // Also when it would be usual by now: what was said to be there until then is there until then.
  if (planned && !isMore(wanted, past, planned)) {
    return now >= planned.due ? { do: "delete" } : { do: "wait", planned };
  }
  if (reasons.length === 0) return { do: "delete" };
  return {
    do: "announce",
    planned: { announced: now, due: now + graceMs, reasons, policy, patterns, byType },
  };
}

/**
 * What is known after a run that is done. One that deleted nothing leaves open what it would have announced: the first
 * deletion after an import, or of a shorter policy, is still to come.
 */
export function pastAfter(policy: RetentionPolicy, past: Past, deleted: number): Past {
  if (deleted > 0) return { settled: policy, imported: false, planned: undefined };
  const { settled } = past;
  return {
    settled: settled && longerOf(settled, policy),
    imported: hasImported(past),
    planned: undefined,
  };
}

function hasImported({ imported, planned }: Past): boolean {
  return imported || planned?.reasons.includes("imported") === true;
}

const APPLIES: Readonly<Record<Reason, (wanted: Wanted, past: Past) => boolean>> = {
  first: (_, { settled }) => settled === undefined,
  imported: (_, past) => hasImported(past),
  shortened: ({ policy }, { settled }) => settled !== undefined && isShorter(policy, settled),
  large: ({ isMost }) => isMost,
};

/** Whether more would go than was announced, apart from what a day or two add. */
function isMore({ policy, patterns, isMost }: Wanted, { imported }: Past, planned: Planned): boolean {
  if (imported || isShorter(policy, planned.policy)) return true;
  return isMost && patterns > 2 * planned.patterns;
}
