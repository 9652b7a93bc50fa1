/** A record of somebody else's to a pattern: content is kept, what is missing and can be told is filled in and said. */
import { isUtf8 } from "node:buffer";
import { hashId } from "../pattern/id-hash.ts";
import { compact, memberText, renameMember, setMember } from "../pattern/json-text.ts";
import { indexedFields, type PatternParser } from "../pattern/parse.ts";
import type { Pattern } from "../pattern/pattern.ts";
import type { Rejection, RejectionCode } from "../pattern/rejection.ts";
import { isObject } from "../pattern/schema.ts";
import type { FoundRecord } from "./record.ts";

export type Adopted =
  /** `notes`: what was filled in or let pass, in words that many records share. */
  | { readonly kind: "pattern"; readonly pattern: Pattern; readonly notes: readonly string[] }
  | { readonly kind: "rejection"; readonly rejection: Rejection };

/** `maxLineBytes`: of the pattern's line. */
export function adopt(record: FoundRecord, parser: PatternParser, maxLineBytes: number): Adopted {
  const { bytes, whole, precision, unterminated = false } = record;
  if (whole) return tooLong(whole.length, maxLineBytes);
  if (!isUtf8(bytes)) return rejected("invalid_utf8", "expected UTF-8, got other bytes");
  const text = bytes.toString("utf8");
  const value = parsedJson(text);
  if (value === undefined) {
    return unterminated
      ? rejected("incomplete_line", "expected a newline at the end of the last line")
      : rejected("invalid_json", "expected one JSON object, got something else");
  }
  const notes: string[] = [];
  const line = completed(/[\r\n]/.test(text) ? compact(text) : text, value, notes);
  const length = Buffer.byteLength(line);
  if (length > maxLineBytes) return tooLong(length, maxLineBytes);
  if (precision === "seconds") {
    notes.push(
      "the database keeps whole seconds since the epoch: fraction and zone are gone, written in UTC",
    );
  }
  return accept(line, notes, parser);
}

/** The same pattern under another id. */
export function withId(pattern: Pattern, id: string): Pattern {
  const text = setMember(Buffer.from(pattern.line).toString("utf8"), "pattern_id", JSON.stringify(id));
  const line = Buffer.from(text, "utf8");
  return { ...pattern, id, hash: hashId(id), line, lineBytes: line.byteLength };
}

/** What the Python library's collector leaves out or calls otherwise. */
function completed(line: string, value: unknown, notes: string[]): string {
  if (!isObject(value)) return line;
  let whole = line;
  if (value.pattern_type === undefined && typeof value.type === "string") {
    whole = renameMember(whole, "type", "pattern_type");
    notes.push("the collector's key type is pattern_type now");
  }
  const data = memberText(whole, "data");
  if (
    (value.pattern_type ?? value.type) === "user_correction" &&
    isObject(value.data) &&
    data !== undefined
  ) {
    if (value.data.agent === undefined || value.data.agent === null) {
      whole = setMember(whole, "data", setMember(data, "agent", '"unknown"'));
      notes.push('a correction names no agent: data.agent is "unknown"');
    }
  }
  return whole;
}

/**
 * A fault in an optional field is no reason to lose a pattern: judged is what the line says without that field,
 * stored is the line with it.
 */
function accept(line: string, notes: string[], parser: PatternParser): Adopted {
  const bytes = Buffer.from(line, "utf8");
  const value: unknown = JSON.parse(line);
  const faults = new Map<string, Rejection>();
  for (let judged = value; ; ) {
    const parsed = parser.parseValue(judged, bytes);
    if (parsed.kind === "pattern") {
      const indexed = isObject(value) ? indexedFields(value) : {};
      return { kind: "pattern", pattern: { ...parsed.pattern, ...indexed }, notes };
    }
    if (parsed.kind === "not_collected") {
      return rejected("unknown_pattern_type", `${parsed.type} is switched off (collect)`);
    }
    const { rejection } = parsed;
    const field = fieldOf(rejection.path);
    // Left out, and missed: it was required.
    const before = faults.get(field);
    if (before) return { kind: "rejection", rejection: before };
    if (rejection.code !== "invalid_field" || !isObject(judged) || field === "") return parsed;
    faults.set(field, rejection);
    notes.push(`a fault in an optional field is kept as it is: ${field}`);
    judged = without(judged, field.split("."));
  }
}

/** The field of the pattern, of its `data` or of its `context` that a fault's path leads through. */
function fieldOf(path = ""): string {
  const [first = "", second] = path.split(".");
  return second !== undefined && (first === "data" || first === "context") ? `${first}.${second}` : first;
}

function without(value: Record<string, unknown>, [key, inner]: readonly string[]): Record<string, unknown> {
  const entries = Object.entries(value).flatMap(([name, part]): [string, unknown][] => {
    if (name !== key) return [[name, part]];
    return inner !== undefined && isObject(part) ? [[name, without(part, [inner])]] : [];
  });
  return Object.fromEntries(entries);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function tooLong(length: number, most: number): Adopted {
  return rejected("line_too_long", `expected at most ${most} bytes, got ${length}`);
}

function rejected(code: RejectionCode, message: string): Adopted {
  return { kind: "rejection", rejection: { code, message } };
}
