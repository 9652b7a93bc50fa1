/** One look at a whole store of segments, newest day first, as readers do (reader.ts). */
import { hashId } from "../../../pattern/id-hash.ts";
import type { Zone } from "../../../pattern/zone.ts";
import type { Tally } from "../../finding.ts";
import { isObstacle } from "../../plain-file.ts";
import { listDays, listSegments, segmentPath } from "../layout.ts";
import { type Mark, NOTHING, type Place, type Progress, parseMarks, replacedPath } from "../replaced.ts";
import { checkDay, patternIn } from "./day-check.ts";
import { DayLines, REACHED } from "./day-lines.ts";
import { checkEntries } from "./entries.ts";
import { type Fault, fault } from "./fault.ts";
import { checkForgotten } from "./forgotten.ts";
import { compareVersions, hashKey, Identities, type Version } from "./identity.ts";

export function* look(root: string, zone: Zone, tally: Tally): Generator<Fault, void> {
  yield* checkEntries(root);
  yield* checkForgotten(root);
  const identities = new Identities();
  for (const lines of daysOf(root)) {
    const deleted = new Set(marksOf(lines).flatMap(({ mark }) => (mark.by ? [] : keyOf(mark))));
    yield* checkDay(lines, zone, tally, (line, pattern) => {
      // What a deletion has hidden may have no version that counts: the newest went first.
      if (pattern && (line.counts || !deleted.has(keyOf(line.place))))
        identities.note(line, hashId(pattern.id));
    });
  }
  const suspects = identities.suspects();
  if (suspects.size > 0) yield* identityFaults(root, zone, suspects);
}

/** Whether something that can't be read as a file stands where a segment or the marks should: then its day is left out. */
export function hasObstacle(root: string, day: number): boolean {
  const segments = listSegments(root, day).map((name) => segmentPath(root, day, name));
  return [...segments, replacedPath(root, day)].some(isObstacle);
}

/** Each is closed when the next is asked for. */
function* daysOf(root: string): Generator<DayLines, void> {
  const days = listDays(root);
  const listed = new Set(days);
  const seen = new Map<number, ReadonlyMap<string, Progress>>();
  const progressOf = (day: number, type: string): Progress => {
    // What came after the days were listed did not come for this look.
    if (!listed.has(day)) return NOTHING;
    const known = seen.get(day);
    if (known) return known.get(type) ?? NOTHING;
    // Nobody knows: a mark that counts is the lesser harm.
    if (hasObstacle(root, day)) return REACHED;
    const lines = DayLines.open(root, day, () => NOTHING);
    lines.close();
    return lines.progress.get(type) ?? NOTHING;
  };
  for (const day of days) {
    if (hasObstacle(root, day)) continue;
    const lines = DayLines.open(root, day, progressOf);
    try {
      seen.set(day, lines.progress);
      yield lines;
    } finally {
      lines.close();
    }
  }
}

/** A second look at some ids, by their lines. */
function* identityFaults(root: string, zone: Zone, suspects: ReadonlySet<bigint>): Generator<Fault, void> {
  const versions = new Map<string, Version[]>();
  const marks = new Map<string, { readonly file: string; readonly day: number; readonly texts: string[] }>();
  for (const lines of daysOf(root)) {
    for (const { mark, text } of marksOf(lines)) {
      const key = `${lines.day} ${keyOf(mark)}`;
      const known = marks.get(key) ?? { file: lines.marksPath, day: lines.day, texts: [] };
      known.texts.push(text);
      marks.set(key, known);
    }
    for (const segment of lines.segments) {
      lines.read(segment, ({ place, number, bytes, counts }) => {
        const pattern = patternIn(bytes, zone);
        if (!pattern || Number.isNaN(place.offset) || !suspects.has(hashKey(hashId(pattern.id)))) return;
        const version = { file: segment.path, number, place, instant: pattern.instant, counts };
        versions.set(pattern.id, [...(versions.get(pattern.id) ?? []), version]);
      });
    }
  }
  const isObstructed = listDays(root).some((day) => hasObstacle(root, day));
  for (const all of versions.values()) {
    const [newest, ...older] = all.filter(({ counts }) => counts).sort(compareVersions);
    for (const version of older) yield twice(version);
    // The one that counts may be where nothing can be read.
    const [hidden] = newest || isObstructed ? [] : all.sort(compareVersions);
    const by = hidden && marks.get(`${hidden.place.day} ${keyOf(hidden.place)}`);
    if (hidden && by?.texts.some((text) => parseMarks(`${text}\n`)[0]?.by)) {
      const at = { file: hidden.file, line: hidden.number, byte: hidden.place.offset };
      const found = `no version of its id counts, though no deletion took it`;
      yield fault({ kind: "id_hidden", ...at, found }, { remedy: { does: "drop marks", ...by } });
    }
  }
}

function twice({ file, number, place }: Version): Fault {
  const found = "another version of its id counts too, and is as new or newer";
  return fault(
    { kind: "id_twice", file, line: number, byte: place.offset, found },
    { remedy: { does: "leave out", place } },
  );
}

function marksOf({ marks }: DayLines): { readonly mark: Mark; readonly text: string }[] {
  const texts = marks.split("\n").slice(0, -1);
  return texts.flatMap((text) => parseMarks(`${text}\n`).map((mark) => ({ mark, text })));
}

function keyOf({ type, gz, offset }: Mark | Place): string {
  return `${type} ${gz} ${offset}`;
}
