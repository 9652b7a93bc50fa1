import { isUtf8 } from "node:buffer";
import { BatchMemory } from "./batch-memory.ts";
import type { Lines } from "./lines.ts";
import { PatternPacker } from "./pack.ts";
import type { PackedPatterns } from "./packed.ts";
import type { Parsed, PatternParser } from "./parse.ts";
import type { Pattern } from "./pattern.ts";
import type { ReceivedLine, Refusal } from "./settlement.ts";
import { storedPattern } from "./stored.ts";
import { firstIdOf } from "./unpack.ts";

/** Parsed lines: the patterns among them in order, and the others by their place. */
export interface ParsedLines<Patterns = PackedPatterns> {
  readonly patterns: Patterns;
  readonly firstId: string | undefined;
  readonly refused: ReadonlyMap<number, Refusal>;
}

/** Lines as they cross to a thread: in one buffer that may be longer, behind each a byte that no JSON goes on with. */
export interface PackedLines {
  readonly bytes: ArrayBuffer;
  /** Where each begins and ends in `bytes`. */
  readonly bounds: Uint32Array<ArrayBuffer>;
  /** Places among the lines; hardly ever any. */
  readonly unterminated: readonly number[];
  /** They were accepted before. */
  readonly isJudged: boolean;
}

const NEWLINE = 10;

/**
 * Lines that came in one piece are copied in one piece, with what stands between them.
 *
 * @param memory what they are copied to
 */
export function packLines(
  { blocks, length }: Lines,
  isJudged: boolean,
  memory = new BatchMemory(),
): PackedLines {
  let size = 0;
  for (const { bounds } of blocks) size += (bounds.at(-1) ?? 0) - (bounds[0] ?? 0) + 1;
  const bytes = Buffer.from(memory.take(size));
  const packed = new Uint32Array(2 * length);
  const unterminated: number[] = [];
  let start = 0;
  let at = 0;
  for (const { bytes: source, bounds, terminated } of blocks) {
    const [first = 0, last = 0] = [bounds[0], bounds.at(-1)];
    source.copy(bytes, start, first, last);
    for (const bound of bounds) {
      packed[at] = bound - first + start;
      at += 1;
    }
    start += last - first + 1;
    bytes[start - 1] = NEWLINE;
    if (!terminated) unterminated.push(at / 2 - 1);
  }
  return { bytes: bytes.buffer, bounds: packed, unterminated, isJudged };
}

/** What can be moved to another thread instead of being copied. */
export function transferOfLines({ bytes, bounds }: PackedLines): ArrayBuffer[] {
  return [bytes, bounds.buffer];
}

/** Uses the lines up: what is packed of them stands in their bytes. */
export function parseLines(parser: PatternParser, lines: PackedLines): ParsedLines {
  const { bounds, isJudged } = lines;
  const bytes = Buffer.from(lines.bytes);
  const isText = isUtf8(bytes.subarray(0, bounds.at(-1)));
  const unterminated = new Set(lines.unterminated);
  const packer = new PatternPacker(lines.bytes, bounds.length / 2);
  const refused = new Map<number, Refusal>();
  for (let place = 0; 2 * place < bounds.length; place += 1) {
    const [start = 0, end = 0] = [bounds[2 * place], bounds[2 * place + 1]];
    const instant = isText ? parser.scanLine(bytes, start, end, isJudged) : undefined;
    if (instant !== undefined) {
      packer.addScanned(parser.scanner, instant, start, end);
      continue;
    }
    const terminated = !unterminated.has(place);
    const parsed = parseOne(parser, { bytes: bytes.subarray(start, end), terminated }, isJudged);
    if (parsed.kind === "pattern") packer.add(parsed.pattern, start, end);
    else refused.set(place, parsed);
  }
  const patterns = packer.packed();
  return { patterns, firstId: firstIdOf(patterns), refused };
}

/** The patterns among lines, each by itself. */
export function patternsAmong(
  parser: PatternParser,
  lines: Iterable<ReceivedLine>,
): ParsedLines<readonly Pattern[]> {
  const patterns: Pattern[] = [];
  const refused = new Map<number, Refusal>();
  let place = 0;
  for (const line of lines) {
    const parsed = parseOne(parser, line, false);
    if (parsed.kind === "pattern") patterns.push(parsed.pattern);
    else refused.set(place, parsed);
    place += 1;
  }
  return { patterns, firstId: patterns[0]?.id, refused };
}

/** Lines that were accepted before (`isJudged`) are not judged again: what they promised does not hang on today's rules. */
function parseOne(parser: PatternParser, { bytes, terminated }: ReceivedLine, isJudged: boolean): Parsed {
  const known = isJudged ? storedPattern(bytes.toString("utf8"), parser.zone) : undefined;
  const parsed = known ? { kind: "pattern" as const, pattern: known } : parser.parseLine(bytes);
  return parsed.kind === "rejection" && !terminated ? cutShort(parsed) : parsed;
}

/** A last line without its newline counts if it parses; else it was cut off rather than wrong. */
function cutShort(refusal: Refusal & { kind: "rejection" }): Refusal & { kind: "rejection" } {
  const { code } = refusal.rejection;
  if (code !== "invalid_json" && code !== "invalid_utf8") return refusal;
  const message = "expected a newline at the end of the last line";
  return { kind: "rejection", rejection: { code: "incomplete_line", message } };
}
