/** One received line to a pattern or a rejection. Never throws: bad input is a value. */
import { isAscii, isUtf8 } from "node:buffer";
import * as v from "valibot";
import { deeperThan, opensMoreThan } from "./depth.ts";
import { hashId } from "./id-hash.ts";
import type { Pattern } from "./pattern.ts";
import { type Predicate, predicateOf } from "./predicate.ts";
import type { Rejection, RejectionCode } from "./rejection.ts";
import { LineScanner } from "./scan.ts";
import {
  anyPattern,
  type DeclaredTypes,
  isObject,
  MAX_DEPTH,
  type PatternSchema,
  patternSchemas,
} from "./schema.ts";
import { slotOf } from "./shape.ts";
import { parseTimestamp, TIMESTAMP_FORM } from "./timestamp.ts";
import type { Zone } from "./zone.ts";

const MAX_AHEAD_MS = 24 * 60 * 60 * 1000;
const SHOWN_CHARACTERS = 60;
/** Characters of an id that a rejection repeats: as many as a valid one may have. */
const MAX_ID = 256;
const NO_BYTES = new Uint8Array();

export type Parsed =
  | { readonly kind: "pattern"; readonly pattern: Pattern }
  | { readonly kind: "rejection"; readonly rejection: Rejection }
  | { readonly kind: "not_collected"; readonly type: string };

export interface ParserOptions {
  /** The store's zone, for timestamps without one. */
  readonly zone: Zone;
  readonly types?: DeclaredTypes;
  /** Types that are switched off: settled unread, and discarded. */
  readonly notCollected?: ReadonlySet<string>;
  /** Milliseconds since the epoch; the daemon's clock. */
  readonly now?: () => number;
}

interface TypeRule {
  readonly schema: PatternSchema;
  readonly accepts: Predicate;
}

const TIMESTAMP = slotOf("timestamp");
const CONTEXT_TIMESTAMP = slotOf("context.timestamp");

export class PatternParser {
  /** The store's. */
  readonly zone: Zone;
  /** Knows where everything stands in the line that `scanLine` took last. */
  readonly scanner: LineScanner;
  readonly #rules = new Map<string, TypeRule>();
  readonly #notCollected: ReadonlySet<string>;
  readonly #now: () => number;
  #limit = 0n;

  constructor(options: ParserOptions) {
    this.zone = options.zone;
    this.#notCollected = options.notCollected ?? new Set();
    this.#now = options.now ?? Date.now;
    const schemas = new Map(patternSchemas(options.types));
    for (const [type, schema] of schemas) this.#rules.set(type, { schema, accepts: predicateOf(schema) });
    for (const type of this.#notCollected) schemas.delete(type);
    this.scanner = new LineScanner(schemas);
  }

  /**
   * The quick look, which most patterns pass: the instant of the pattern in the line from `start` to `end`, which is
   * UTF-8 with a byte behind it that no JSON goes on with. Undefined says nothing: `parseLine` knows.
   */
  scanLine(bytes: Buffer, start: number, end: number, isJudged: boolean): bigint | undefined {
    if (!this.scanner.scan(bytes, start, end)) return undefined;
    const instant = parseTimestamp(this.scanner.charactersOf(TIMESTAMP) ?? "", this.zone);
    if (instant === undefined || isJudged) return instant;
    const about = this.scanner.charactersOf(CONTEXT_TIMESTAMP);
    const said = about === undefined ? undefined : parseTimestamp(about, this.zone);
    return this.#isAhead(instant) || (said !== undefined && this.#isAhead(said)) ? undefined : instant;
  }

  /** `line`: the received bytes without their newline, carriage return or byte order mark. */
  parseLine(line: Buffer): Parsed {
    const encoding = isAscii(line) ? "latin1" : "utf8";
    if (encoding === "utf8" && !isUtf8(line)) {
      return rejected("invalid_utf8", "expected UTF-8, got other bytes");
    }
    const text = line.toString(encoding);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return rejected("invalid_json", `expected one JSON object, got ${jsonFault(error, text)}`);
    }
    return this.parseValue(value, line, opensMoreThan(MAX_DEPTH, text));
  }

  /** The same rules for a line that is already parsed. */
  parseValue(value: unknown, line: Uint8Array, mayBeDeep = true): Parsed {
    if (mayBeDeep && deeperThan(value, MAX_DEPTH))
      return rejected("too_deep", `expected at most ${MAX_DEPTH} levels of nesting`);
    if (!isObject(value)) return rejected("not_an_object", `expected an object, got ${shown(value)}`);
    const type = Object.hasOwn(value, "pattern_type") ? value.pattern_type : undefined;
    if (typeof type === "string") {
      const rule = this.#rules.get(type);
      if (!rule) return this.#unknownType(type, value);
      if (this.#notCollected.has(type)) return { kind: "not_collected", type };
      return this.#accept(type, rule, value, line);
    }
    if (type === undefined)
      return rejected("missing_field", "expected a string", "pattern_type", idOf(value));
    return rejected("invalid_field", `expected a string, got ${shown(type)}`, "pattern_type", idOf(value));
  }

  /** Everything that is wrong with a value that is already parsed, where the others stop at the first fault. */
  faults(value: unknown): Rejection[] {
    const parsed = this.parseValue(value, NO_BYTES);
    if (parsed.kind !== "rejection") return [];
    const first = parsed.rejection;
    if (first.code === "too_deep" || !isObject(value)) return [first];
    const type = Object.hasOwn(value, "pattern_type") ? value.pattern_type : undefined;
    const rule = typeof type === "string" ? this.#rules.get(type) : undefined;
    if (rule) return [...shapeFaults(rule.schema, value), ...this.#timeFaults(value)];
    const others = shapeFaults(anyPattern, value).filter(({ path }) => path !== "pattern_type");
    return [first, ...others, ...this.#timeFaults(value)];
  }

  *#timeFaults(value: Record<string, unknown>): Generator<Rejection> {
    const { timestamp, context } = value;
    const id = idOf(value);
    const instant = typeof timestamp === "string" ? parseTimestamp(timestamp, this.zone) : undefined;
    if (typeof timestamp === "string" && instant === undefined) yield noTimestamp(timestamp, id);
    if (instant !== undefined && this.#isAhead(instant)) yield ahead("timestamp", timestamp, id);
    const about = isObject(context) ? context.timestamp : undefined;
    const said = typeof about === "string" ? parseTimestamp(about, this.zone) : undefined;
    if (said !== undefined && this.#isAhead(said)) yield ahead("context.timestamp", about, id);
  }

  #unknownType(type: string, value: Record<string, unknown>): Parsed {
    const message = `expected one of ${[...this.#rules.keys()].join(", ")}, got ${shown(type)}`;
    return rejected("unknown_pattern_type", message, "pattern_type", idOf(value));
  }

  #accept(type: string, rule: TypeRule, value: Record<string, unknown>, line: Uint8Array): Parsed {
    if (!rule.accepts(value)) return explain(rule.schema, value);
    const { pattern_id: id, timestamp } = value;
    if (typeof id !== "string" || typeof timestamp !== "string") return explain(rule.schema, value);
    const instant = parseTimestamp(timestamp, this.zone);
    if (instant === undefined) return refused(noTimestamp(timestamp, id));
    if (this.#isAhead(instant)) return refused(ahead("timestamp", timestamp, id));
    const about = isObject(value.context) ? value.context.timestamp : undefined;
    if (typeof about === "string") {
      const said = parseTimestamp(about, this.zone);
      if (said !== undefined && this.#isAhead(said)) return refused(ahead("context.timestamp", about, id));
    }
    const { tags, agents, project, session, host } = indexedFields(value);
    const hash = hashId(id);
    const pattern = {
      id,
      hash,
      type,
      timestamp,
      instant,
      tags,
      agents,
      project,
      session,
      host,
      line,
      lineBytes: line.byteLength,
    };
    return { kind: "pattern", pattern };
  }

  /** The clock is only asked about what lies beyond the last limit. */
  #isAhead(instant: bigint): boolean {
    if (instant <= this.#limit) return false;
    this.#limit = BigInt(this.#now() + MAX_AHEAD_MS) * 1_000_000n;
    return instant > this.#limit;
  }
}

const NOTHING: Record<string, unknown> = {};

/** What filters look for in a pattern's content, from its parsed line. */
export function indexedFields(value: Record<string, unknown>) {
  const data = isObject(value.data) ? value.data : NOTHING;
  const context = isObject(value.context) ? value.context : NOTHING;
  return {
    tags: unique(Array.isArray(context.tags) ? context.tags : []),
    agents: unique([data.agent, data.agent_type, context.agent]),
    project: text(context.project_name),
    session: text(context.session_id),
    host: text(context.host),
  };
}

/** The strings among the values, each once. */
function unique(values: readonly unknown[]): string[] {
  const strings: string[] = [];
  for (const value of values) {
    if (typeof value === "string" && !strings.includes(value)) strings.push(value);
  }
  return strings;
}

function noTimestamp(timestamp: string, id: string | undefined): Rejection {
  return rejection("invalid_field", `expected ${TIMESTAMP_FORM}, got ${shown(timestamp)}`, "timestamp", id);
}

function ahead(path: string, timestamp: unknown, id: string | undefined): Rejection {
  const message = `expected at most 24 hours ahead of this machine's clock, got ${shown(timestamp)}`;
  return rejection("invalid_field", message, path, id);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** valibot's first issue, in our words. */
function explain(schema: PatternSchema, value: Record<string, unknown>): Parsed {
  const [issue] = v.safeParse(schema, value, { abortEarly: true }).issues ?? [];
  if (!issue) return rejected("invalid_field", "expected a pattern of this type", undefined, idOf(value));
  return refused(faultOf(issue, idOf(value)));
}

/** All of valibot's issues, at most one a field. */
function shapeFaults(schema: v.GenericSchema, value: Record<string, unknown>): Rejection[] {
  const { issues = [] } = v.safeParse(schema, value, { abortPipeEarly: true });
  return issues.map((issue) => faultOf(issue, idOf(value)));
}

function faultOf(issue: v.BaseIssue<unknown>, id: string | undefined): Rejection {
  const path = v.getDotPath(issue) ?? "";
  if (issue.type === "loose_object" && issue.received === "undefined") {
    return rejection("missing_field", `expected ${issue.expected ?? "a value"}, which is required`, path, id);
  }
  return rejection("invalid_field", `${issue.message}, got ${shown(issue.input)}`, path, id);
}

function rejected(code: RejectionCode, message: string, path?: string, patternId?: string): Parsed {
  return refused(rejection(code, message, path, patternId));
}

function refused(rejection: Rejection): Parsed {
  return { kind: "rejection", rejection };
}

function rejection(code: RejectionCode, message: string, path?: string, patternId?: string): Rejection {
  return {
    code,
    message,
    ...(path === undefined ? {} : { path }),
    ...(patternId === undefined ? {} : { patternId }),
  };
}

function idOf(value: Record<string, unknown>): string | undefined {
  const id = Object.hasOwn(value, "pattern_id") ? value.pattern_id : undefined;
  if (typeof id !== "string") return undefined;
  // As characters are counted in the rule: one may be two units.
  return Array.from(id.slice(0, 2 * MAX_ID))
    .slice(0, MAX_ID)
    .join("")
    .toWellFormed();
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (isObject(value)) return "an object";
  const json = JSON.stringify(value);
  return json.length <= SHOWN_CHARACTERS ? json : `${json.slice(0, SHOWN_CHARACTERS).toWellFormed()}…`;
}

/** V8's own words quote the input around the fault; only where it stands is ours to repeat. */
function jsonFault(error: unknown, line: string): string {
  const words = error instanceof Error ? error.message : "";
  const position = /position (\d+)/.exec(words)?.[1];
  if (position !== undefined) return `a fault at character ${Number(position) + 1}`;
  return words.startsWith("Unexpected end")
    ? `a line that ends too early (${line.length} characters)`
    : "a text that is not JSON";
}
