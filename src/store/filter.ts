import { isObject } from "../pattern/schema.ts";

/** What a query asks for. Everything given must hold; instants are inclusive, in nanoseconds since the epoch. */
export interface Filter {
  readonly patternType?: string;
  readonly start?: bigint;
  readonly end?: bigint;
  /** All must be there. */
  readonly tags?: readonly string[];
  /** Matches `data.agent`, `data.agent_type` or `context.agent`. */
  readonly agent?: string;
  readonly project?: string;
  readonly session?: string;
  readonly host?: string;
  /** `data.success`. */
  readonly success?: boolean;
  readonly where?: readonly Where[];
  /** A substring of any of the pattern's strings, whatever its case. */
  readonly text?: string;
}

/** `data.error_type=TypeError`: a dotted path from the root, and the text or the JSON scalar that must be there. */
export interface Where {
  readonly path: string;
  readonly value: string;
}

type Test = (pattern: Record<string, unknown>) => boolean;

/**
 * Everything that is asked of the content of a pattern, all but its type and its instant, as a test of its line;
 * undefined if nothing is asked.
 */
export function contentMatcher(filter: Filter): ((line: string) => boolean) | undefined {
  const tests = testsOf(filter);
  if (tests.length === 0) return undefined;
  const mayMatch = glanceFor(filter);
  return (line) => {
    // Most lines need no parsing.
    if (!mayMatch(line)) return false;
    const pattern = parsed(line);
    return isObject(pattern) && tests.every((test) => test(pattern));
  };
}

/** A look at a line's text: false only if nothing that is asked for can be in it. */
function glanceFor(filter: Filter): (line: string) => boolean {
  const { tags = [], agent, project, session, host, where = [], text } = filter;
  const texts = where.map(({ value }) => value).filter(isOnlyText);
  const words = [...tags, agent, project, session, host, ...texts]
    .filter((word) => word !== undefined)
    .map((word) => JSON.stringify(word));
  if (filter.success !== undefined) words.push('"success"');
  const wanted = text?.toLowerCase();
  // Such text stands between escapes as it is, but for characters that are written as \u.
  const isPlain = wanted !== undefined && /^[ !#-.0-[\]-~]+$/.test(wanted);
  return (line) => {
    // Without an escape a string stands in a line as it is written here.
    const hasEscapes = line.includes("\\");
    if (!hasEscapes && !words.every((word) => line.includes(word))) return false;
    if (wanted === undefined || (hasEscapes && (!isPlain || line.includes("\\u")))) return true;
    return line.toLowerCase().includes(wanted);
  };
}

/** Whether a value that is looked for can't be a number, true, false or null, which are written in many ways. */
function isOnlyText(value: string): boolean {
  return Number.isNaN(Number(value)) && !["true", "false", "null"].includes(value);
}

/** A line that the disk has damaged holds nothing that is asked for. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function testsOf(filter: Filter): Test[] {
  const tests: Test[] = [];
  const { tags, agent, success, text } = filter;
  if (tags?.length) {
    tests.push((pattern) => {
      const own = at(pattern, ["context", "tags"]);
      return Array.isArray(own) && tags.every((tag) => own.includes(tag));
    });
  }
  if (agent !== undefined) {
    const paths = [
      ["data", "agent"],
      ["data", "agent_type"],
      ["context", "agent"],
    ];
    tests.push((pattern) => paths.some((path) => at(pattern, path) === agent));
  }
  for (const [path, wanted] of [
    ["project_name", filter.project],
    ["session_id", filter.session],
    ["host", filter.host],
  ] as const) {
    if (wanted !== undefined) tests.push((pattern) => at(pattern, ["context", path]) === wanted);
  }
  if (success !== undefined) tests.push((pattern) => at(pattern, ["data", "success"]) === success);
  for (const where of filter.where ?? []) {
    const path = where.path.split(".");
    tests.push((pattern) => isScalar(at(pattern, path), where.value));
  }
  if (text !== undefined) {
    const wanted = text.toLowerCase();
    tests.push((pattern) => holdsText(pattern, wanted));
  }
  return tests;
}

function at(value: unknown, path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (Array.isArray(here)) here = here[Number(key)];
    else if (isObject(here) && Object.hasOwn(here, key)) here = here[key];
    else return undefined;
  }
  return here;
}

function isScalar(value: unknown, wanted: string): boolean {
  if (typeof value === "string") return value === wanted;
  if (typeof value === "number") return wanted !== "" && Number(wanted) === value;
  if (typeof value === "boolean" || value === null) return String(value) === wanted;
  return false;
}

function holdsText(value: unknown, wanted: string): boolean {
  if (typeof value === "string") return value.toLowerCase().includes(wanted);
  if (Array.isArray(value)) return value.some((part) => holdsText(part, wanted));
  return isObject(value) && Object.values(value).some((part) => holdsText(part, wanted));
}
