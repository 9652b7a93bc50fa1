/** Patterns as the parser makes them, and a model of what a store of them answers. */
import * as fc from "fast-check";
import { PatternParser } from "../../src/pattern/parse.ts";
import type { Pattern } from "../../src/pattern/pattern.ts";
import { Zone } from "../../src/pattern/zone.ts";
import type { Backend, Exceptions, PageRequest, Position } from "../../src/store/backend.ts";
import { dayOf } from "../../src/store/days.ts";
import { contentMatcher, type Filter } from "../../src/store/filter.ts";

export const AT = "2026-05-01T10:00:00Z";
export const EARLIER = "2026-04-01T10:00:00Z";
export const LATER = "2026-06-01T10:00:00Z";

const parser = new PatternParser({
  zone: new Zone("UTC"),
  types: { note: { required: {} } },
  // So that the last instant that there can be is not ahead.
  now: () => Date.parse("2262-01-02"),
});

/** @throws Error with the rejection, when the line is none of a pattern. */
export function parse(line: string): Pattern {
  const parsed = parser.parseLine(Buffer.from(line, "utf8"));
  if (parsed.kind !== "pattern") throw new Error(JSON.stringify(parsed));
  return parsed.pattern;
}

export interface Wanted {
  readonly at?: string;
  readonly type?: string;
  readonly data?: object;
  readonly context?: object;
}

/** A pattern of the declared type `note`, whose `data` may hold anything. */
export function note(id: string, { at = AT, type = "note", data = {}, context }: Wanted = {}) {
  const value = { pattern_id: id, pattern_type: type, timestamp: at, data, ...(context && { context }) };
  return parse(JSON.stringify(value));
}

export function instantOf(timestamp: string): bigint {
  return note("any", { at: timestamp }).instant;
}

export function lineOf(pattern: Pattern): string {
  return Buffer.from(pattern.line).toString("utf8");
}

/** Every line that a filter finds, page by page. */
export async function walk(
  backend: Pick<Backend, "query">,
  filter: Filter = {},
  limit = 100,
): Promise<string[]> {
  const lines: string[] = [];
  let after: Position | undefined;
  do {
    const page = await backend.query(filter, { limit, after } satisfies PageRequest);
    lines.push(...page.lines);
    // Backends may never leave the microtasks: no time limit of the runner would end a walk in circles.
    if (page.next && after && !isBefore(after, page.next)) throw new Error("a page ends where it began");
    after = page.next;
  } while (after);
  return lines;
}

function isBefore(a: Position, b: Position): boolean {
  if (a.instant !== b.instant) return a.instant > b.instant;
  return Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)) < 0;
}

export async function idsOf(backend: Backend, filter: Filter = {}, limit = 100): Promise<string[]> {
  return (await walk(backend, filter, limit)).map((line) => parse(line).id);
}

/** What the contract says, in the plainest way: a map, a filter, a sort. */
export class Model {
  readonly #known = new Map<string, Pattern>();
  readonly #forgotten = new Set<string>();

  write(patterns: readonly Pattern[]): string[] {
    return patterns.map((pattern) => {
      if (this.#forgotten.has(pattern.id)) return "superseded";
      const known = this.#known.get(pattern.id);
      if (known && pattern.instant < known.instant) return "superseded";
      if (known && pattern.instant === known.instant && lineOf(pattern) === lineOf(known))
        return "superseded";
      this.#known.set(pattern.id, pattern);
      return known ? "replaced" : "stored";
    });
  }

  deleteOlderThan(cutoff: bigint, exceptions: Exceptions = {}): number {
    const old = this.#older(cutoff, exceptions);
    for (const { id } of old) this.#known.delete(id);
    return old.length;
  }

  /** As a census names them: `day type`, with how many there are. */
  countOlderThan(cutoff: bigint, exceptions: Exceptions = {}): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { instant, type } of this.#older(cutoff, exceptions)) {
      const key = `${dayOf(instant)} ${type}`;
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  }

  forget(ids: readonly string[]): number {
    for (const id of ids) this.#forgotten.add(id);
    return ids.filter((id) => this.#known.delete(id)).length;
  }

  get size(): number {
    return this.#known.size;
  }

  #older(cutoff: bigint, { byType = {}, keepTags = [] }: Exceptions): Pattern[] {
    return [...this.#known.values()].filter(
      ({ instant, type, tags }) =>
        instant < (byType[type] ?? cutoff) && !keepTags.some((tag) => tags.includes(tag)),
    );
  }

  get(id: string): string | undefined {
    const known = this.#known.get(id);
    return known && lineOf(known);
  }

  lines(filter: Filter): string[] {
    const matches = contentMatcher(filter);
    return [...this.#known.values()]
      .filter(({ type }) => filter.patternType === undefined || filter.patternType === type)
      .filter(({ instant }) => instant >= (filter.start ?? instant) && instant <= (filter.end ?? instant))
      .filter((pattern) => matches?.(lineOf(pattern)) ?? true)
      .sort((a, b) => (isBefore(a, b) ? -1 : 1))
      .map(lineOf);
  }
}

// Few values of each, so that ids meet again, instants tie and filters find something.
const word = fc.constantFrom("a", "b", "한", "\ufffd", "\ud800", "", "x y");
const tags = fc.array(fc.constantFrom("a", "b", "한", "\ufffd", ""), { maxLength: 3 });
const types = fc.constantFrom("note", "task_completion");
export const instants = fc.constantFrom(
  "2026-05-01",
  "2026-05-01T00:00:00.000000001Z",
  "2026-05-01T23:30:00-01:00",
  "2026-05-02T00:30:00Z",
  "2026-04-30T12:00:00.5",
);

export const patterns: fc.Arbitrary<Pattern> = fc
  .record({
    id: fc.constantFrom("1", "2", "3", "4", "\u{1f98a}", "\uff5e", "a/b", "é"),
    at: instants,
    type: types,
    agent: word,
    success: fc.boolean(),
    context: fc.option(
      fc.record(
        { tags, agent: word, project_name: word, session_id: word, host: word },
        { requiredKeys: [] },
      ),
      { nil: undefined },
    ),
  })
  .map(({ id, at, type, agent, success, context }) =>
    note(id, {
      at,
      type,
      data: { agent, success, task_type: "t", duration_ms: 1 },
      ...(context && { context }),
    }),
  );

export const batches = fc.array(fc.array(patterns, { minLength: 1, maxLength: 8 }), { maxLength: 5 });

const bounds = instants.map(instantOf);
export const filters: fc.Arbitrary<Filter> = fc.record(
  {
    patternType: types,
    start: bounds,
    end: bounds,
    tags: fc.array(fc.constantFrom("a", "b", "한", "\ufffd", "\ud800"), { maxLength: 2 }),
    agent: word,
    project: word,
    session: word,
    host: word,
    success: fc.boolean(),
    where: fc.constant([{ path: "data.agent", value: "a" }]),
    text: fc.constantFrom("A", "한", "task"),
  },
  { requiredKeys: [] },
);
