/** What is wrong in one day: its segments, their indexes, its marks. */
import { isUtf8 } from "node:buffer";
import { hashId, NO_ID } from "../../../pattern/id-hash.ts";
import type { Pattern } from "../../../pattern/pattern.ts";
import { storedPattern } from "../../../pattern/stored.ts";
import type { Zone } from "../../../pattern/zone.ts";
import type { Tally } from "../../finding.ts";
import { dayFolder, dayOf } from "../layout.ts";
import { countingMarks, type Mark, parseMarks } from "../replaced.ts";
import type { DayLine, DayLines, SegmentFile } from "./day-lines.ts";
import { type Fault, fault } from "./fault.ts";
import { IndexCheck } from "./index-check.ts";

const TYPE_NAME = /^[a-z][a-z0-9_]{0,63}$/;

/** Told of each line, and of what it says if it is a pattern. */
export type Visit = (line: DayLine, pattern: Pattern | undefined) => void;

export function* checkDay(lines: DayLines, zone: Zone, tally: Tally, visit: Visit): Generator<Fault, void> {
  for (const type of lines.merging) {
    const file = lines.segments.find((one) => one.type === type)?.path ?? "";
    yield fault(
      {
        kind: "merge_unfinished",
        file,
        found: "the .ndjson beside it is merged in it, or is gone, and it does not say so",
      },
      { remedy: { does: "open" }, settles: true },
    );
  }
  const marks = new MarkCheck(lines);
  for (const segment of lines.segments) yield* checkSegment(lines, segment, zone, tally, marks, visit);
  yield* marks.faults();
}

/** The pattern of a stored line, undefined if it is none: then the store can't have taken it. */
export function patternIn(bytes: Buffer, zone: Zone): Pattern | undefined {
  if (!isUtf8(bytes)) return undefined;
  const pattern = storedPattern(bytes.toString("utf8"), zone);
  return pattern && pattern.id !== "" && TYPE_NAME.test(pattern.type) ? pattern : undefined;
}

function* checkSegment(
  lines: DayLines,
  segment: SegmentFile,
  zone: Zone,
  tally: Tally,
  marks: MarkCheck,
  visit: Visit,
): Generator<Fault, void> {
  const { path, type, gz, size } = segment;
  const faults: Fault[] = [];
  const index = new IndexCheck(segment, gz ?? lines.progress.get(type)?.gz ?? 0);
  let isDamaged = false;
  const noteDamage = (byte: number, found: string) => {
    isDamaged = true;
    const remedy = { does: "rewrite", day: lines.day, type } as const;
    faults.push(fault({ kind: "gzip_damaged", file: path, byte, found }, { remedy }));
  };
  const end = lines.read(
    segment,
    (line) => {
      const pattern = patternIn(line.bytes, zone);
      const { offset } = line.place;
      const to = offset + line.bytes.length + 1;
      const { beginsBlock } = line;
      index.line({ offset, end: to, beginsBlock }, pattern ? hashId(pattern.id) : NO_ID, pattern?.instant);
      marks.noteLine(line);
      if (line.counts) {
        if (pattern) tally.patterns += 1;
        faults.push(...lineFaults(path, line, pattern));
      }
      visit(line, pattern);
    },
    ({ at, found }) => noteDamage(at, found),
    tally.onProgress,
  );
  // Whoever cut a file between two blocks left one that unpacks.
  const lacking = gz === undefined || isDamaged ? 0 : index.lacks(end);
  if (lacking > 0) noteDamage(size, `${lacking} bytes of text that its index names are gone`);
  tally.bytes += size;
  yield* faults;
  if (isDamaged) marks.passOver(type, gz);
  else if (!lines.isHeadless(type)) yield* indexFaults(index);
  if (gz === undefined && end < size) {
    const found = `${size - end} bytes behind the last newline`;
    yield fault(
      { kind: "torn_tail", file: path, byte: end, found },
      { remedy: { does: "cut tail" }, settles: true },
    );
  }
}

function lineFaults(file: string, { place, number, bytes }: DayLine, pattern: Pattern | undefined): Fault[] {
  const at = { file, line: number, byte: place.offset };
  if (!pattern) {
    const found = `${bytes.length} bytes that are no pattern`;
    return [fault({ kind: "line_damaged", ...at, found }, { remedy: { does: "leave out", place } })];
  }
  const to = { day: dayOf(pattern.instant), type: pattern.type };
  if (to.day === place.day && to.type === place.type) return [];
  const found = `a line of ${dayFolder(to.day)}/${to.type}`;
  return [fault({ kind: "line_misplaced", ...at, found }, { remedy: { does: "leave out", place, to } })];
}

function* indexFaults(index: IndexCheck): Generator<Fault, void> {
  const { path: file, wrong, ignored } = index;
  const found = wrong ?? ignored;
  if (found === undefined) return;
  const settles = wrong === undefined;
  yield fault({ kind: "index_unfit", file, found }, { remedy: { does: "index anew" }, settles });
}

/** Whether each mark is one, and names a line. */
class MarkCheck {
  readonly #lines: DayLines;
  /** Of the segments that are there, by the place that marks name: what no line has begun at yet. */
  readonly #unseen = new Set<string>();
  readonly #passedOver = new Set<string>();

  constructor(lines: DayLines) {
    this.#lines = lines;
    for (const mark of parseMarks(lines.marks)) this.#unseen.add(keyOf(mark));
  }

  noteLine({ place }: DayLine): void {
    if (this.#unseen.size > 0) this.#unseen.delete(keyOf(place));
  }

  /** A segment whose lines are not all known. */
  passOver(type: string, gz: number | undefined): void {
    this.#passedOver.add(`${type} ${gz}`);
  }

  *faults(): Generator<Fault, void> {
    const { marks, marksPath: file } = this.#lines;
    const texts = marks.split("\n");
    const tail = texts.pop() ?? "";
    let byte = 0;
    for (const [n, text] of texts.entries()) {
      const found = this.#fault(text);
      if (found) yield this.#faultOf({ file, line: n + 1, byte, ...found }, text, found.settles);
      byte += Buffer.byteLength(text) + 1;
    }
    if (tail === "") return;
    const found = `${Buffer.byteLength(tail)} bytes behind the last newline`;
    yield this.#faultOf({ kind: "torn_tail", file, byte, found }, tail, true);
  }

  #fault(text: string): Pick<Fault, "kind" | "found" | "settles"> | undefined {
    const [mark] = parseMarks(`${text}\n`);
    if (!mark) return { kind: "mark_damaged", found: "no mark", settles: false };
    const { type, gz, offset, by } = mark;
    if (countingMarks([mark], this.#lines.progressOf).length === 0) {
      const found = `waits for a line of ${by?.day}/${by?.type} that never came`;
      return { kind: "mark_pending", found, settles: true };
    }
    const where = `line at ${offset} of ${type}${gz === undefined ? "" : `, generation ${gz}`}`;
    const segment = this.#lines.segments.find((one) => one.type === type && one.gz === gz);
    if (!segment && !this.#lines.merging.has(type))
      return { kind: "mark_dangling", found: `there is no ${where}`, settles: true };
    if (!segment || this.#passedOver.has(`${type} ${gz}`) || !this.#unseen.has(keyOf(mark))) return undefined;
    // Of lines that were written since, a deletion makes marks that wait for nothing.
    const settles = gz === undefined && offset >= segment.size;
    return { kind: "mark_dangling", found: `there is no ${where}`, settles };
  }

  #faultOf(finding: Omit<Fault, "remedy" | "settles">, text: string, settles: boolean): Fault {
    return fault(finding, { remedy: { does: "drop marks", day: this.#lines.day, texts: [text] }, settles });
  }
}

function keyOf({ type, gz, offset }: Pick<Mark, "type" | "gz" | "offset">): string {
  return `${type} ${gz} ${offset}`;
}
