import { type PackedPatterns, packPatterns } from "./pack.ts";
import type { PatternParser } from "./parse.ts";
import type { Pattern } from "./pattern.ts";
import type { ReceivedLine, Refusal } from "./settlement.ts";
import { storedPattern } from "./stored.ts";

/** Parsed lines: the patterns among them in order, and the others by their place. */
export interface ParsedLines<Patterns = PackedPatterns> {
  readonly patterns: Patterns;
  readonly refused: ReadonlyMap<number, Refusal>;
}

/** `patternsAmong`, packed. */
export function parseLines(
  parser: PatternParser,
  lines: Iterable<ReceivedLine>,
  isJudged = false,
): ParsedLines {
  const { patterns, refused } = patternsAmong(parser, lines, isJudged);
  return { patterns: packPatterns(patterns), refused };
}

/** Lines that were accepted before (`isJudged`) are not judged again: what they promised does not hang on today's rules. */
export function patternsAmong(
  parser: PatternParser,
  lines: Iterable<ReceivedLine>,
  isJudged = false,
): ParsedLines<readonly Pattern[]> {
  const patterns: Pattern[] = [];
  const refused = new Map<number, Refusal>();
  let index = 0;
  for (const line of lines) {
    const known = isJudged ? storedPattern(line.bytes.toString("utf8"), parser.zone) : undefined;
    const parsed = known ? { kind: "pattern" as const, pattern: known } : parser.parseLine(line.bytes);
    if (parsed.kind === "pattern") patterns.push(parsed.pattern);
    else refused.set(index, parsed.kind === "rejection" && !line.terminated ? cutShort(parsed) : parsed);
    index += 1;
  }
  return { patterns, refused };
}

/** A last line without its newline counts if it parses; else it was cut off rather than wrong. */
function cutShort(refusal: Refusal & { kind: "rejection" }): Refusal {
  const { code } = refusal.rejection;
  if (code !== "invalid_json" && code !== "invalid_utf8") return refusal;
  const message = "expected a newline at the end of the last line";
  return { kind: "rejection", rejection: { code: "incomplete_line", message } };
}
