/**
 * Patterns that are to be gone for good: from the store, and from whatever else of ours holds them. The store remembers
 * their ids first; from then on none of them comes back, from wherever it is sent again.
 */
import { dirname, join } from "node:path";
import { isObject } from "../pattern/schema.ts";
import type { Zone } from "../pattern/zone.ts";
import { parseKept } from "../queue/rejected/kept-record.ts";
import type { RejectedReview } from "../queue/rejected/replay.ts";
import type { Backend, Position } from "../store/backend.ts";
import type { Filter } from "../store/filter.ts";
import type { StorePlace } from "../store/open.ts";
import { upkeepFile } from "../store/upkeep-file.ts";
import { filesIn, forgetIn, holdsAny, type Meant } from "./files.ts";
import { anyOf, matching, withIds } from "./meant.ts";
import { WrittenIds } from "./written-ids.ts";

const PAGE = 1_000;
const ASIDE = ".aside";
const ANY = /(?:)/;

/** Ids, or everything that a filter finds. */
export interface Wanted {
  readonly ids: readonly string[];
  readonly filter: Filter | undefined;
}

export interface ForgetReport {
  readonly dry_run: boolean;
  /** That were in the store. */
  readonly patterns: number;
  /** Lines that were kept since they were rejected, here or in an import. */
  readonly rejected: number;
  /** Lines that emitters had left. */
  readonly outbox: number;
  /** Lines of files that were kept aside. */
  readonly aside: number;
}

export interface Places {
  readonly store: StorePlace;
  readonly spool: string;
  readonly rejected: string;
  readonly outbox: string;
}

export interface Parts {
  readonly store: Pick<Backend, "get" | "query" | "refuse" | "forget">;
  readonly zone: Zone;
  readonly review: Pick<RejectedReview, "remove">;
  readonly places: Places;
  /** As lines are taken in, in bytes: nothing longer is taken for one. */
  readonly maxLineBytes: number;
  /** Whether the outbox is taken in by somebody, who leaves out what is forgotten. */
  readonly isServed: boolean;
}

/**
 * Everything that is to be forgotten must have come to the store before. May be called again after an error, and then
 * means the same: what a filter finds goes from the store last.
 */
export async function forget(parts: Parts, { ids, filter }: Wanted, isDry: boolean): Promise<ForgetReport> {
  const { store, zone } = parts;
  const found = new Set<string>();
  if (filter) for await (const id of idsOf(store, filter)) found.add(id);
  const named = ids.filter((id) => !found.has(id));
  const count = isDry ? found.size + (await countOf(store, named)) : 0;
  for (const id of named) found.add(id);
  const all = [...found];
  // Before anything goes: what is sent again meanwhile must not come back.
  if (!isDry) await store.refuse(all);
  const written = new WrittenIds(found);
  const isMeant = filter ? anyOf(withIds(written), matching(filter, zone)) : withIds(written);
  const elsewhere = await forgetElsewhere(
    parts,
    { ids: written, isMeant, maxLineBytes: parts.maxLineBytes },
    isDry,
  );
  return { dry_run: isDry, patterns: isDry ? count : await store.forget(all), ...elsewhere };
}

async function forgetElsewhere({ review, places, isServed }: Parts, meant: Meant, isDry: boolean) {
  const { ids, isMeant } = meant;
  const sum = async (files: readonly string[]) => {
    let lines = 0;
    for (const file of files) lines += await forgetIn(file, meant, isDry);
    return lines;
  };
  // Records that can't be read are nobody's to read, but they hold what is meant.
  const rejected = await review.remove(({ bytes, ...range }, { handle }) => {
    if (!bytes) return holdsAny(ids, handle, range);
    const kept = parseKept(bytes);
    if (kept?.patternId !== undefined && ids.has(kept.patternId)) return true;
    return isMeant(kept?.bytes ?? bytes);
  }, isDry);
  const outbox = isServed ? 0 : await sum(filesIn(places.outbox, /^[^.]/));
  return { rejected, outbox, aside: await sum(asideFiles(places)) };
}

/** What was kept aside of the store, the spool and the outbox. */
export function asideFiles({ store, spool, outbox }: Places): string[] {
  const beside = upkeepFile(store);
  const ofStore =
    store.backend === "filesystem"
      ? filesIn(join(dirname(beside), ASIDE), ANY)
      : filesIn(dirname(beside), /\.aside-.*\.ndjson$/).filter((file) => file.startsWith(databaseOf(beside)));
  return [...ofStore, ...filesIn(join(spool, ASIDE), ANY), ...filesIn(join(outbox, ASIDE), ANY)];
}

function databaseOf(beside: string): string {
  return beside.slice(0, beside.lastIndexOf(".upkeep"));
}

async function* idsOf(store: Parts["store"], filter: Filter): AsyncGenerator<string> {
  let after: Position | undefined;
  do {
    const { lines, next } = await store.query(filter, { limit: PAGE, after });
    for (const line of lines) {
      const value: unknown = JSON.parse(line);
      if (isObject(value) && typeof value.pattern_id === "string") yield value.pattern_id;
    }
    after = next;
  } while (after);
}

async function countOf(store: Parts["store"], ids: readonly string[]): Promise<number> {
  let patterns = 0;
  for (const id of new Set(ids)) if ((await store.get(id)) !== undefined) patterns += 1;
  return patterns;
}
