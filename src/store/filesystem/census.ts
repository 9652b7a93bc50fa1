/** Counting a day's patterns by what the indexes say, and by the lines where that is not enough. */

import { hashAt, NO_ID } from "../../pattern/id-hash.ts";
import { indexedFields } from "../../pattern/parse.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { Share } from "../backend.ts";
import type { Cutoffs } from "../cutoffs.ts";
import type { DayBlock, DayView, OpenSegment } from "./day.ts";
import type { Range } from "./lines.ts";
import { readStored } from "./stored-line.ts";

export interface DayCount {
  readonly patterns: number;
  readonly bytes: number;
  readonly shares: readonly Share[];
}

interface Tally {
  all: number;
  old: number;
  bytes: number;
  plainBytes: number;
}

/** `blocks`: all of the view's. */
export function countDay(
  day: number,
  view: DayView,
  blocks: readonly DayBlock[],
  cutoffs: Cutoffs,
  zone: Zone,
): DayCount {
  const tallies = new Map<string, Tally>();
  const replaced = new Map<OpenSegment, readonly number[]>();
  for (const segment of view.segments) {
    const tally = tallies.get(segment.type) ?? { all: 0, old: 0, bytes: 0, plainBytes: 0 };
    tallies.set(segment.type, tally);
    tally.bytes += segment.size;
    if (segment.gz === undefined) tally.plainBytes += segment.size;
    replaced.set(
      segment,
      [...view.replacedIn(segment)].sort((a, b) => a - b),
    );
  }
  for (const block of blocks) {
    const tally = tallies.get(block.segment.type);
    if (tally) countBlock(block, replaced.get(block.segment) ?? [], { view, cutoffs, zone, tally });
  }
  const counted = [...tallies];
  return {
    patterns: counted.reduce((sum, [, { all }]) => sum + all, 0),
    bytes: counted.reduce((sum, [, { bytes }]) => sum + bytes, 0),
    shares: counted.flatMap(([type, tally]) => (tally.old === 0 ? [] : shareOf(day, type, tally))),
  };
}

function shareOf(day: number, type: string, { all, old, bytes, plainBytes }: Tally): Share {
  const part = (whole: number) => Math.round((whole * old) / all);
  return { day, type, patterns: old, bytes: part(bytes), plainBytes: part(plainBytes) };
}

interface Counting {
  readonly view: DayView;
  readonly cutoffs: Cutoffs;
  readonly zone: Zone;
  readonly tally: Tally;
}

function countBlock(block: DayBlock, replaced: readonly number[], counting: Counting): void {
  const { view, cutoffs, zone, tally } = counting;
  const cutoff = cutoffs.of(block.segment.type);
  const isYoung = block.oldest >= cutoff;
  if (block.hashes && (isYoung || (block.newest < cutoff && !cutoffs.hasKeepTags))) {
    const patterns = patternsIn(block.hashes) - countWithin(replaced, block);
    tally.all += patterns;
    if (!isYoung) tally.old += patterns;
    return;
  }
  view.read(block, (line) => {
    const stored = readStored(line, zone);
    if (!stored) return;
    tally.all += 1;
    if (stored.instant < cutoff && !cutoffs.isHeld(indexedFields(stored.value).tags)) tally.old += 1;
  });
}

function patternsIn(hashes: Int32Array): number {
  let patterns = 0;
  for (let line = 0; line < hashes.length / 2; line += 1) if (hashAt(hashes, line) !== NO_ID) patterns += 1;
  return patterns;
}

/** How many of the sorted offsets lie in a range. */
function countWithin(offsets: readonly number[], { from, to }: Range): number {
  return firstNotBefore(offsets, to) - firstNotBefore(offsets, from);
}

function firstNotBefore(offsets: readonly number[], bound: number): number {
  let low = 0;
  for (let high = offsets.length; low < high; ) {
    const middle = (low + high) >> 1;
    if ((offsets[middle] ?? bound) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
