/** What a run does to the store, and how far it is with it. */
import { PatterndError } from "../errors.ts";
import type { Backend, Census, Share } from "../store/backend.ts";
import { startOfDay } from "../store/days.ts";
import { boundedBySize, type Deletion, deletionByAge, patternsOf, type RetentionPolicy } from "./policy.ts";

export type UpkeepStore = Pick<Backend, "deleteOlderThan" | "countOlderThan" | "compress">;

/** After every instant, and before. */
const ALWAYS = 2n ** 63n - 1n;
const NEVER = -(2n ** 63n);

/** How far a run is, in patterns. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

export interface Step {
  readonly onProgress: (progress: Progress) => void;
  /** Whether the daemon stops: then no other day is compressed. */
  readonly isStopped: () => boolean;
}

export interface PlannedDeletion {
  readonly deletion: Deletion;
  /** What would go, of what there is. */
  readonly census: Census;
}

/** What the policy takes at this moment (milliseconds since the epoch); changes nothing. */
export async function planDeletion(
  store: UpkeepStore,
  policy: RetentionPolicy,
  now: number,
  cut: "whole" | "exact",
): Promise<PlannedDeletion> {
  const byAge = deletionByAge(policy, now, cut);
  if (policy.maxBytes === null) return planned(store, byAge);
  const { used } = await store.countOlderThan(NEVER);
  if (used <= policy.maxBytes) return planned(store, byAge);
  const all = await store.countOlderThan(ALWAYS, { keepTags: policy.keepTags });
  return planned(store, boundedBySize(byAge, policy, all, now));
}

async function planned(store: UpkeepStore, deletion: Deletion): Promise<PlannedDeletion> {
  return { deletion, census: await store.countOlderThan(deletion.cutoff, deletion.exceptions) };
}

/** In one call, which ends where the store is closed. Resolves to how many patterns went. */
export async function deletePlanned(
  store: UpkeepStore,
  { deletion, census }: PlannedDeletion,
  { onProgress }: Pick<Step, "onProgress">,
): Promise<number> {
  const total = patternsOf(census.shares);
  let done = 0;
  const onDeleted = (patterns: number) => {
    done += patterns;
    onProgress({ done: Math.min(done, total), total });
  };
  onDeleted(0);
  return store.deleteOlderThan(deletion.cutoff, deletion.exceptions, onDeleted);
}

/** The shares that a compression of whole days before this one would make smaller. */
export function planCompression(store: UpkeepStore, beforeDay: number): Promise<Census> {
  return store.countOlderThan(startOfDay(beforeDay), {}, "plain");
}

/** Resolves to how many files were made smaller. @throws PatterndError `daemon_stopping` when it is stopped. */
export async function compressByDay(
  store: UpkeepStore,
  beforeDay: number,
  { shares }: Census,
  { onProgress, isStopped }: Step,
): Promise<number> {
  const total = patternsOf(shares);
  let compressed = 0;
  let done = 0;
  for (const day of daysOf(shares)) {
    if (isStopped()) throw new PatterndError("daemon_stopping", "the daemon stops");
    compressed += await store.compress(day + 1);
    done += patternsOf(shares.filter((share) => share.day === day));
    onProgress({ done, total });
  }
  // Where there are no files to compress, what serves instead; and lines that a count does not know.
  return compressed + (await store.compress(beforeDay));
}

/** What the store takes on disk. */
export async function bytesIn(store: UpkeepStore): Promise<number> {
  return (await store.countOlderThan(NEVER)).bytes;
}

function daysOf(shares: readonly Share[]): Set<number> {
  return new Set(shares.map(({ day }) => day));
}
