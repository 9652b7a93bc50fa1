/**
 * Patterns that stand on several days of a store that nobody else uses: the versions on all days but the latest
 * are marked as replaced. What stands twice is first looked for by hashes, 8 bytes a pattern; the ids themselves
 * are compared only where two hashes are equal, which for different ids happens about never.
 */
import { setImmediate } from "node:timers/promises";
import { hashId } from "../../pattern/id-hash.ts";
import type { Zone } from "../../pattern/zone.ts";
import { writeFileDurably } from "../durable.ts";
import { DayView, type OpenSegment, unindexed } from "./day.ts";
import { listDays } from "./layout.ts";
import { NOTHING, readMarks, replacedPath, settledMark } from "./replaced.ts";
import { readStored } from "./stored-line.ts";

/**
 * Reads every line. `tell` hears how many bytes were read so far.
 *
 * @returns how many patterns there are, each counted once.
 */
export async function settleRepeated(
  root: string,
  zone: Zone,
  tell: (bytes: number) => void,
): Promise<number> {
  const hashes = new Hashes();
  let bytes = 0;
  const days = listDays(root);
  for (const day of days) {
    readDay(root, day, zone, (id, line) => {
      hashes.add(shortHash(id));
      bytes += line.length + 1;
    });
    tell(bytes);
    await setImmediate();
  }
  const repeated = hashes.repeated();
  if (repeated.size === 0) return hashes.size;
  const seen = new Set<string>();
  let marked = 0;
  for (const day of days) {
    marked += markSeen(root, day, zone, { seen, among: repeated });
    await setImmediate();
  }
  return hashes.size - marked;
}

/** Marks a day's versions of what was `seen` on later days, then notes its own; of ids with these hashes alone. */
function markSeen(
  root: string,
  day: number,
  zone: Zone,
  { seen, among }: { seen: Set<string>; among: ReadonlySet<number> },
): number {
  const marks: string[] = [];
  const own: string[] = [];
  readDay(root, day, zone, (id, _line, offset, { type, gz }) => {
    if (!among.has(shortHash(id))) return;
    if (seen.has(id)) marks.push(`${settledMark({ type, gz, offset })}\n`);
    else own.push(id);
  });
  for (const id of own) seen.add(id);
  if (marks.length > 0) writeFileDurably(replacedPath(root, day), readMarks(root, day) + marks.join(""));
  return marks.length;
}

type VisitPattern = (id: string, line: Buffer, offset: number, segment: OpenSegment) => void;

/** Each pattern of a day; a line that somebody put there and that is none is passed over, as readers do. */
function readDay(root: string, day: number, zone: Zone, visit: VisitPattern): void {
  const view = DayView.open(root, day, undefined, () => NOTHING);
  try {
    for (const segment of view.segments) {
      view.read(unindexed(segment), (line, offset) => {
        const stored = readStored(line, zone);
        if (stored) visit(stored.id, line, offset, segment);
      });
    }
  } finally {
    view.close();
  }
}

/** 53 bits, as many as a number holds. */
function shortHash(id: string): number {
  const { high, low } = hashId(id);
  return (high >>> 0) * 2 ** 21 + (low >>> 11);
}

class Hashes {
  #all = new Float64Array(1024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(hash: number): void {
    if (this.#size === this.#all.length) {
      const larger = new Float64Array(this.#size * 2);
      larger.set(this.#all);
      this.#all = larger;
    }
    this.#all[this.#size] = hash;
    this.#size += 1;
  }

  /** Those that were added more than once. */
  repeated(): Set<number> {
    const sorted = this.#all.subarray(0, this.#size).sort();
    const repeated = new Set<number>();
    for (let at = 1; at < sorted.length; at += 1) {
      const hash = sorted[at] ?? 0;
      if (hash === sorted[at - 1]) repeated.add(hash);
    }
    return repeated;
  }
}
