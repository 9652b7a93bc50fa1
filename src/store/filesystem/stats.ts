/** What a store holds, from the indexes where there are some: most lines are counted unread. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemCode } from "../../errors.ts";
import { hashAt, NO_ID } from "../../pattern/id-hash.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { StoreStats } from "../backend.ts";
import type { DayBlock, DayView } from "./day.ts";
import { Days } from "./days.ts";
import { readStored } from "./stored-line.ts";

/** A step a block. @throws WrongIndex */
export function* statsOf(
  root: string,
  zone: Zone,
  distrusted: ReadonlySet<string>,
): Generator<void, StoreStats> {
  const counts = new Map<string, number>();
  const held: number[] = [];
  const days = new Days(root, undefined);
  for (const day of days.all) {
    const before = total(counts);
    const view = days.view(day);
    try {
      for (const block of view.blocks(zone, distrusted)) {
        const { type } = block.segment;
        counts.set(type, (counts.get(type) ?? 0) + countOf(view, block, zone));
        yield;
      }
      for (const { type, gone } of replacedAmongIndexed(view, zone, distrusted))
        counts.set(type, (counts.get(type) ?? 0) - gone);
    } finally {
      view.close();
    }
    if (total(counts) > before) held.push(day);
  }
  const byType = [...counts].filter(([, count]) => count > 0).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    patterns: total(counts),
    byType: Object.fromEntries(byType),
    oldest: extreme(days, held.at(-1), zone, distrusted, (a, b) => a < b),
    newest: extreme(days, held[0], zone, distrusted, (a, b) => a > b),
    bytes: bytesBelow(root),
  };
}

function countOf(view: DayView, block: DayBlock, zone: Zone): number {
  const { hashes } = block;
  let count = 0;
  if (hashes) {
    for (let line = 0; line < hashes.length / 2; line += 1) if (hashAt(hashes, line) !== NO_ID) count += 1;
    return count;
  }
  view.read(block, (line) => {
    if (readStored(line.toString("utf8"), zone)) count += 1;
  });
  return count;
}

/** An index counts replaced lines too. What no index knows is read, and they are left out. */
function replacedAmongIndexed(view: DayView, zone: Zone, distrusted: ReadonlySet<string>) {
  const blocks = view.blocks(zone, distrusted);
  return view.segments.map((segment) => {
    const own = blocks.filter((block) => block.segment === segment);
    const offsets = [...view.replacedIn(segment)];
    const isIndexed = own.some(({ hashes }) => hashes);
    const from = segment.gz === undefined ? own.find(({ hashes }) => !hashes)?.from : undefined;
    const gone = offsets.filter((offset) => from === undefined || offset < from).length;
    return { type: segment.type, gone: isIndexed ? gone : 0 };
  });
}

function extreme(
  days: Days,
  day: number | undefined,
  zone: Zone,
  distrusted: ReadonlySet<string>,
  isBetter: (a: bigint, b: bigint) => boolean,
): bigint | undefined {
  let best: bigint | undefined;
  if (day === undefined) return best;
  days.open(day, (view) => {
    for (const block of view.blocks(zone, distrusted)) {
      if (best !== undefined && !isBetter(block.oldest, best) && !isBetter(block.newest, best)) continue;
      view.read(block, (line) => {
        const instant = readStored(line.toString("utf8"), zone)?.instant;
        if (instant !== undefined && (best === undefined || isBetter(instant, best))) best = instant;
      });
    }
  });
  return best;
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** What goes while it is looked at takes no room. */
function bytesBelow(folder: string): number {
  try {
    return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return sum + bytesBelow(path);
      return sum + (entry.isFile() ? (statSync(path, { throwIfNoEntry: false })?.size ?? 0) : 0);
    }, 0);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return 0;
    throw error;
  }
}
