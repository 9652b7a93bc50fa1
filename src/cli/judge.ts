import type { PatternParser } from "../pattern/parse.ts";
import type { Pattern } from "../pattern/pattern.ts";
import type { Judge, Verdict } from "../queue/replay.ts";
import { type Backend, NotStorable } from "../store/backend.ts";

/** What becomes of kept lines without a daemon. Without a store: what the parser says, and nothing is stored. */
export function judgeByStore(parser: PatternParser, store: Pick<Backend, "write"> | undefined): Judge {
  return async (entries) => {
    const accepted: { readonly pattern: Pattern; readonly place: number }[] = [];
    const verdicts = entries.map((entry, place): Verdict => {
      if (entry.kind === "rejected") return entry.line.rejection.code;
      const parsed = parser.parseLine(entry.bytes);
      if (parsed.kind === "rejection") return parsed.rejection.code;
      if (parsed.kind === "not_collected") return "not_collected";
      accepted.push({ pattern: parsed.pattern, place });
      return "accepted";
    });
    const refused = store ? await refusedBy(store, accepted) : [];
    for (const { place } of refused) verdicts[place] = "not_storable";
    return verdicts;
  };
}

/** Stores all but those that the store refuses, for which it halves the batch. */
async function refusedBy<T extends { readonly pattern: Pattern }>(
  store: Pick<Backend, "write">,
  batch: readonly T[],
): Promise<readonly T[]> {
  if (batch.length === 0) return [];
  try {
    await store.write(batch.map(({ pattern }) => pattern));
    return [];
  } catch (error) {
    if (!(error instanceof NotStorable)) throw error;
    if (batch.length === 1) return batch;
    const middle = batch.length >> 1;
    const before = await refusedBy(store, batch.slice(0, middle));
    return [...before, ...(await refusedBy(store, batch.slice(middle)))];
  }
}
