/**
 * Which lines a newer version has replaced. The old line stays in its segment until that is rewritten; a mark in
 * the file `.replaced` of its day says that it no longer counts:
 *
 *   {"type":"agent_usage","offset":1024,"by":{"day":"2026/11/22","type":"agent_usage","gz":0,"size":2100}}
 *
 * `gz` in a mark names the generation of the compressed segment that the line stands in, at that offset of its
 * text: a mark means nothing to any other generation.
 *
 * Marks are made durable before the new line is written, and count only once that line is there: when what they
 * wait for has come as far as `by`. How far a day's type has come is the generation of its .gz (0 without one) and
 * the size of the .ndjson beside it: the size grows with every line, the generation with every rewriting, and
 * neither is ever less than before, but for a deletion. So a reader that looks how far the types have come
 * before it reads the marks sees exactly one version of every pattern, and so does whoever opens the store
 * after a crash. Settling drops the marks whose line never came, or whose own segment is gone; before lines of
 * a day are deleted it also removes each `by` that names that day, so that a mark counts whatever becomes of the
 * newer line.
 */
import { join } from "node:path";
import * as v from "valibot";
import { systemCode } from "../../errors.ts";
import { isTaken } from "../durable.ts";
import { readPlainFile } from "../plain-file.ts";
import { dayFolder, REPLACED_FILE } from "./layout.ts";

export interface Place {
  readonly day: number;
  readonly type: string;
  /** The generation, for a line in a compressed segment. */
  readonly gz: number | undefined;
  readonly offset: number;
}

/** How far a type has come on a day: the generation of its .gz and the size of the .ndjson in bytes, or 0. */
export interface Progress {
  readonly gz: number;
  readonly size: number;
}

export const NOTHING: Progress = { gz: 0, size: 0 };

/** The newer line: how far its type has come once it is there. */
export interface Successor extends Progress {
  readonly day: number;
  readonly type: string;
}

export type ProgressOf = (day: number, type: string) => Progress;

const integer = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const markSchema = v.object({
  type: v.string(),
  gz: v.optional(integer),
  offset: integer,
  by: v.optional(v.object({ day: v.string(), type: v.string(), gz: integer, size: integer })),
});
export type Mark = v.InferOutput<typeof markSchema>;

export function markLine({ type, gz, offset }: Place, by: Successor): string {
  return JSON.stringify({ type, gz, offset, by: { ...by, day: dayFolder(by.day) } });
}

/** Of a mark that waits for nothing. */
export function settledMark({ type, gz, offset }: Omit<Place, "day">): string {
  return JSON.stringify({ type, gz, offset });
}

export function replacedPath(root: string, day: number): string {
  return join(root, dayFolder(day), REPLACED_FILE);
}

/** The offsets of a day that no longer count. */
export class Replaced {
  readonly #offsets = new Map<string, Set<number>>();

  constructor(marks: readonly Mark[], progressOf: ProgressOf) {
    for (const mark of marks) if (counts(mark, progressOf)) this.add(mark);
  }

  get size(): number {
    let size = 0;
    for (const offsets of this.#offsets.values()) size += offsets.size;
    return size;
  }

  add({ type, gz, offset }: { type: string; gz?: number | undefined; offset: number }): void {
    const key = keyOf(type, gz);
    const offsets = this.#offsets.get(key) ?? new Set();
    this.#offsets.set(key, offsets.add(offset));
  }

  /** `gz`: the generation of a compressed segment. */
  of(type: string, gz: number | undefined): ReadonlySet<number> {
    return this.#offsets.get(keyOf(type, gz)) ?? NONE;
  }
}

/** The text of a day's marks; empty if there are none. */
export function readMarks(root: string, day: number): string {
  const path = replacedPath(root, day);
  // Most days have none, and to look first takes a quarter of what an exception does.
  if (!isTaken(path)) return "";
  try {
    return readPlainFile(path).toString("utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return "";
    throw error;
  }
}

/** What a crash left of a mark marks nothing: the line that it announced was never written. */
export function parseMarks(text: string): Mark[] {
  const marks: Mark[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const mark = v.safeParse(markSchema, parseJson(line));
    if (mark.success) marks.push(mark.output);
  }
  return marks;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Those that count already. */
export function countingMarks(marks: readonly Mark[], progressOf: ProgressOf): Mark[] {
  return marks.filter((mark) => counts(mark, progressOf));
}

/** The folders of the days for whose lines marks wait. */
export function awaitedDays(marks: readonly Mark[]): Set<string> {
  return new Set(marks.flatMap(({ by }) => by?.day ?? []));
}

const NONE: ReadonlySet<number> = new Set();

/** No name of a type has a space. */
function keyOf(type: string, gz: number | undefined): string {
  return gz === undefined ? type : `${type} ${gz}`;
}

function counts({ by }: Mark, progressOf: ProgressOf): boolean {
  if (!by) return true;
  const day = Date.parse(`${by.day.replaceAll("/", "-")}T00:00:00Z`) / 86_400_000;
  const { gz, size } = progressOf(day, by.type);
  return gz > by.gz || (gz === by.gz && size >= by.size);
}
