/**
 * Which lines a newer version has replaced. A segment only grows, so the old line stays in it; a mark in the
 * file `.replaced` of its day says that it no longer counts:
 *
 *   {"type":"agent_usage","offset":1024,"by":{"day":"2026/11/22","type":"agent_usage","offset":2048}}
 *
 * Marks are made durable before the new line is written, and count only once that line is there. So a reader
 * that takes the segments' sizes before it reads the marks sees exactly one version of every pattern, and so
 * does whoever opens the store after a crash. Opening for writing drops the marks whose line never came and
 * removes `by` from the others: from then on they count whatever becomes of the newer line's file.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { systemCode } from "../../errors.ts";
import { writeFileDurably } from "../durable.ts";
import { dayFolder, REPLACED_FILE } from "./layout.ts";

export interface Place {
  readonly day: number;
  readonly type: string;
  readonly offset: number;
}

/** The size of a segment as the caller sees it, in bytes; 0 if it does not exist. */
export type SizeOf = (day: number, type: string) => number;

const offset = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const markSchema = v.object({
  type: v.string(),
  offset,
  by: v.optional(v.object({ day: v.string(), type: v.string(), offset })),
});
type Mark = v.InferOutput<typeof markSchema>;

export function markLine(old: Place, by: Place): string {
  const { type, offset } = old;
  return JSON.stringify({ type, offset, by: { ...by, day: dayFolder(by.day) } });
}

export function replacedPath(root: string, day: number): string {
  return join(root, dayFolder(day), REPLACED_FILE);
}

/** The offsets that no longer count, by type. */
export function readReplaced(
  root: string,
  day: number,
  sizeOf: SizeOf,
): ReadonlyMap<string, ReadonlySet<number>> {
  const replaced = new Map<string, Set<number>>();
  for (const mark of parseMarks(readText(root, day))) {
    if (!counts(mark, sizeOf)) continue;
    const offsets = replaced.get(mark.type) ?? new Set();
    replaced.set(mark.type, offsets.add(mark.offset));
  }
  return replaced;
}

/** For the writer, on opening: settles what a crash may have left open. */
export function settleMarks(root: string, day: number, sizeOf: SizeOf): void {
  const text = readText(root, day);
  const marks = parseMarks(text);
  if (text.endsWith("\n") ? !marks.some((mark) => mark.by) : text === "") return;
  const settled = marks
    .filter((mark) => counts(mark, sizeOf) && sizeOf(day, mark.type) > mark.offset)
    .map(({ type, offset }) => `${JSON.stringify({ type, offset })}\n`);
  writeFileDurably(replacedPath(root, day), settled.join(""));
}

function counts({ by }: Mark, sizeOf: SizeOf): boolean {
  if (!by) return true;
  const day = Date.parse(`${by.day.replaceAll("/", "-")}T00:00:00Z`) / 86_400_000;
  return sizeOf(day, by.type) > by.offset;
}

function readText(root: string, day: number): string {
  try {
    return readFileSync(replacedPath(root, day), "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return "";
    throw error;
  }
}

/** What a crash left of a mark marks nothing: the line that it announced was never written. */
function parseMarks(text: string): Mark[] {
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
