/** Counting patterns by what the indexes say, and by the lines where that is not enough. */

import { hashAt, NO_ID } from "../../pattern/id-hash.ts";
import { indexedFields } from "../../pattern/parse.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { Census, Counted, Share } from "../backend.ts";
import type { Cutoffs } from "../cutoffs.ts";
import type { DayBlock, DayView, OpenSegment } from "./day.ts";
import type { Range } from "./lines.ts";
import { readStored } from "./stored-line.ts";

export interface DayCount {
  readonly patterns: number;
  readonly bytes: number;
  readonly shares: readonly Share[];
}

/** What the days come to, one after the other. */
export class CensusTally {
  readonly #of: Counted;
  readonly #shares: Share[] = [];
  #bytes = 0;
  #old = 0;
  #young = 0;

  constructor(of: Counted) {
    this.#of = of;
  }

  /** Whether a day that may have something old is to be counted. */
  wants({ segments }: DayView): boolean {
    return this.#of === "all" || segments.some(isPlain);
  }

  /** So far. */
  get isMost(): boolean {
    return this.#of === "all" && this.#old > this.#young;
  }

  add({ patterns, bytes, shares }: DayCount): void {
    const old = shares.reduce((sum, share) => sum + share.patterns, 0);
    this.#old += old;
    this.#young += patterns - old;
    this.#bytes += bytes;
    this.#shares.push(...shares.filter(({ plainBytes }) => this.#of === "all" || plainBytes > 0));
  }

  census(): Census {
    const shares = this.#shares.toSorted((a, b) => a.day - b.day);
    return { bytes: this.#bytes, used: this.#bytes, shares, isMost: this.isMost };
  }
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
    if (isPlain(segment)) tally.plainBytes += segment.size;
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

function isPlain({ gz, size }: OpenSegment): boolean {
  return gz === undefined && size > 0;
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
