/** Puts what is whole and counts of a day's type into a new .ndjson.gz, by the protocol of upkeep.ts. */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Pattern } from "../../../pattern/pattern.ts";
import type { Zone } from "../../../pattern/zone.ts";
import { makeFolder, syncPath } from "../../durable.ts";
import { isObstacle } from "../../plain-file.ts";
import { indexPath } from "../block-index.ts";
import { CompressedWriter } from "../compressed.ts";
import { dayOf, segmentPath } from "../layout.ts";
import { asidePath, keepAside } from "../repair.ts";
import type { Place } from "../replaced.ts";
import { patternIn } from "./day-check.ts";
import { type DayLine, DayLines, REACHED } from "./day-lines.ts";
import { salvageHead } from "./salvage.ts";

const NEWLINE = Buffer.from("\n");

interface SegmentAt {
  readonly day: number;
  readonly type: string;
}

/**
 * Leaves out the lines at `places`, those that are no patterns, and those of other segments, which are appended
 * there first. The next opening for writing removes what is merged. `isDamaged`: the .gz, even if all of it unpacks.
 *
 * @returns the file with what was left out, and the damaged .gz, if there is such.
 */
export function rewriteSegment(
  root: string,
  zone: Zone,
  at: SegmentAt,
  places: readonly Place[],
  isDamaged: boolean,
) {
  const path = segmentPath(root, at.day, { type: at.type, compressed: true });
  // Marks that wait for what never came are gone by now: each of the others counts.
  const lines = DayLines.open(root, at.day, () => REACHED);
  try {
    const segments = lines.segments.filter(({ type }) => type === at.type);
    const leftOut = new Set(places.filter(({ offset }) => !Number.isNaN(offset)).map(keyOf));
    const cut: Buffer[] = [];
    const moved = new Map<string, { readonly to: SegmentAt; readonly lines: Buffer[] }>();
    const isCut = (line: DayLine): boolean => {
      const pattern = patternIn(line.bytes, zone);
      // What is put back must be what was stored.
      if (!line.isCertain) return true;
      if (pattern && isElsewhere(pattern, at)) return !isBeingMerged(root, targetOf(pattern));
      return !pattern || leftOut.has(keyOf(line.place));
    };
    const each = (visit: (line: DayLine) => void) => {
      for (const segment of segments)
        lines.read(
          segment,
          (line) => (line.counts || !line.isCertain) && visit(line),
          () => {},
        );
    };
    each((line) => {
      if (!isCut(line)) return;
      const copy = Buffer.concat([line.bytes, NEWLINE]);
      cut.push(copy);
      const pattern = line.isCertain ? patternIn(line.bytes, zone) : undefined;
      if (!pattern || !isElsewhere(pattern, at)) return;
      const to = targetOf(pattern);
      const known = moved.get(`${to.day} ${to.type}`) ?? { to, lines: [] };
      moved.set(`${to.day} ${to.type}`, known);
      known.lines.push(copy);
    });
    const plain = segmentPath(root, at.day, { type: at.type, compressed: false });
    const linesAs = cut.length > 0 ? keepAside(root, plain, Buffer.concat(cut)) : undefined;
    for (const { to, lines: all } of moved.values()) append(root, to, Buffer.concat(all));
    const damagedAs = isDamaged ? asidePath(root, path) : undefined;
    if (damagedAs !== undefined) {
      linkSync(path, damagedAs);
      syncPath(dirname(damagedAs));
    }
    if (!isDamaged && cut.length === 0) return { linesAs, damagedAs };
    const generation = Math.max(Date.now(), ...segments.map(({ gz }) => (gz ?? 0) + 1));
    const out = new CompressedWriter(`${path}.new`, { generation, merging: existsSync(plain) });
    try {
      each((line) => {
        if (!isCut(line)) out.addLine(line.bytes);
      });
      out.finish();
    } finally {
      out.close();
    }
    if (!isObstacle(indexPath(path))) rmSync(indexPath(path), { force: true });
    renameSync(`${path}.new`, path);
    syncPath(dirname(path));
    return { linesAs, damagedAs };
  } finally {
    lines.close();
  }
}

function targetOf({ instant, type }: Pattern): SegmentAt {
  return { day: dayOf(instant), type };
}

function isElsewhere(pattern: Pattern, at: SegmentAt): boolean {
  const { day, type } = targetOf(pattern);
  return day !== at.day || type !== at.type;
}

/** What is appended now would be taken for merged. */
function isBeingMerged(root: string, { day, type }: SegmentAt): boolean {
  const path = segmentPath(root, day, { type, compressed: true });
  if (!existsSync(path)) return false;
  const fd = openSync(path, "r");
  try {
    return salvageHead(fd, path)?.merging ?? true;
  } finally {
    closeSync(fd);
  }
}

function append(root: string, { day, type }: SegmentAt, bytes: Buffer): void {
  const path = segmentPath(root, day, { type, compressed: false });
  makeFolder(dirname(path));
  const fd = openSync(path, "a", 0o600);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  syncPath(dirname(path));
}

function keyOf({ gz, offset }: Place): string {
  return `${gz} ${offset}`;
}
