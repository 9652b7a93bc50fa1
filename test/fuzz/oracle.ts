/** What the protocol says about a stream of bytes, slowly: cut at once, decoded, parsed, and given to valibot. */
import * as v from "valibot";
import { patternSchemas } from "../../src/pattern/schema.ts";
import { DECLARED } from "../pattern-fixture.ts";

export const MAX_LINE_BYTES = 4096;
const MAX_DEPTH = 100;
const DAY_MS = 86_400_000;
const SCHEMAS = patternSchemas(DECLARED);
const TIMESTAMP =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?)?(?:Z|[+-](\d\d):?(\d\d))?$/;

/** `codes`: what it may be refused with; none: it is accepted. */
export interface Verdict {
  readonly bytes: Buffer;
  readonly terminated: boolean;
  readonly codes: readonly string[];
  /** Of an accepted one. */
  readonly id?: string;
}

/** The stream's lines; blank ones are none. `isWhole`: nothing stood before it, so that it may begin with a mark. */
export function verdictsOn(stream: Buffer, isWhole = true): Verdict[] {
  const verdicts: Verdict[] = [];
  const texts = stream.toString("latin1").split("\n");
  for (const [index, text] of texts.entries()) {
    const terminated = index < texts.length - 1;
    if (text.replace(/\r$/, "").length > MAX_LINE_BYTES) {
      verdicts.push({ bytes: Buffer.from(text, "latin1"), terminated, codes: ["line_too_long"] });
      continue;
    }
    const marked = index === 0 && isWhole ? text.replace(/^\xef\xbb\xbf/, "") : text;
    if (/^[ \t\r]*$/.test(marked)) continue;
    const bytes = Buffer.from(marked.replace(/\r$/, ""), "latin1");
    const verdict = verdictOn(bytes);
    const isCut =
      !terminated && ["invalid_json", "invalid_utf8"].some((code) => verdict.codes.includes(code));
    verdicts.push({ bytes, terminated, ...verdict, ...(isCut ? { codes: ["incomplete_line"] } : {}) });
  }
  return verdicts;
}

function verdictOn(bytes: Buffer): Pick<Verdict, "codes" | "id"> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { codes: ["invalid_utf8"] };
  }
  let pattern: unknown;
  try {
    pattern = JSON.parse(text);
  } catch {
    return { codes: ["invalid_json"] };
  }
  if (depthOf(pattern) > MAX_DEPTH) return { codes: ["too_deep"] };
  if (typeof pattern !== "object" || pattern === null || Array.isArray(pattern))
    return { codes: ["not_an_object"] };
  const field = (object: object, key: string): unknown => Object.getOwnPropertyDescriptor(object, key)?.value;
  const type = field(pattern, "pattern_type");
  if (type === undefined) return { codes: ["missing_field"] };
  if (typeof type !== "string") return { codes: ["invalid_field"] };
  const schema = SCHEMAS.get(type);
  if (!schema) return { codes: ["unknown_pattern_type"] };
  const context = field(pattern, "context");
  const about = typeof context === "object" && context !== null ? field(context, "timestamp") : undefined;
  const isTimely =
    isTimestamp(field(pattern, "timestamp")) && (typeof about !== "string" || isTimestamp(about));
  if (!isTimely || !v.safeParse(schema, pattern).success)
    return { codes: ["missing_field", "invalid_field"] };
  return { codes: [], id: String(field(pattern, "pattern_id")) };
}

function isTimestamp(text: unknown): boolean {
  const match = typeof text === "string" ? TIMESTAMP.exec(text) : null;
  if (!match) return false;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, hours = 0, minutes = 0] = match
    .slice(1)
    .map((digits) => Number(digits ?? 0));
  if (year < 1970 || year > 2261 || hour > 23 || minute > 59 || second > 59 || hours > 23 || minutes > 59)
    return false;
  const date = new Date(Date.UTC(year, month - 1, day));
  return (
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getTime() < Date.now() + DAY_MS
  );
}

/** Without recursion: the input may have been made to exhaust the stack. */
function depthOf(value: unknown): number {
  let level: unknown[] = [value];
  let depth = 0;
  for (;;) {
    const containers = level.filter((part): part is object => typeof part === "object" && part !== null);
    if (containers.length === 0) return depth;
    depth += 1;
    level = containers.flatMap((part) => Object.values(part));
  }
}
