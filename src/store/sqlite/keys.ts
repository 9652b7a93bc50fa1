import type { Position } from "../backend.ts";
import type { Filter } from "../filter.ts";

/** What answers the keys (`seq`, `instant`, `id`, or what `columns` says) of a filter's patterns, in order. */
export interface KeyQuery {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

export type Parameter = string | bigint | number;

export const KEY_COLUMNS = "p.seq AS seq, p.instant AS instant, p.pattern_id AS id";

interface Condition {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

/** More tags than this are left to the matcher: SQLite bounds the depth of an expression. */
const MAX_TAGS = 8;
const MIN_INSTANT = -(2n ** 63n);
const MAX_INSTANT = 2n ** 63n - 1n;

/** An index of a value and then the instant, and the value that the filter asks for. */
export interface Source {
  readonly table: "patterns" | "pattern_tags" | "pattern_agents";
  readonly column: string;
  readonly value: string;
  /** Of `patterns`: the other tables are indexes themselves. */
  readonly index?: string;
}

/** How many entries of a source are looked at to tell how far apart they lie. */
const PROBED = 250;

/** What the filter's patterns can be read from: usually the most selective first. */
export function sourcesOf(filter: Filter): Source[] {
  return [...wordsOf(filter), ...columnsOf(filter)];
}

/**
 * Answers the instant of the source's 250th entry that the filter's time and the position leave, or nothing if
 * there are fewer: the further back it lies, the fewer entries are read until a page is full.
 */
export function probeQuery(source: Source, filter: Filter, after: Position | undefined): KeyQuery {
  const { table, column, value, index } = source;
  const all = [condition(`${column} = ?`, value), within("instant", filter, after)];
  return {
    sql: `SELECT instant FROM ${table}${index ? ` INDEXED BY ${index}` : ""}
WHERE ${all.map(({ sql }) => sql).join(" AND ")} ORDER BY instant DESC LIMIT 1 OFFSET ${PROBED - 1}`,
    parameters: all.flatMap(({ parameters }) => parameters),
  };
}

/**
 * What is read first is fixed here, not left to SQLite's planner. Each source goes on with the instant, so that the
 * newest come first and at most equal instants are sorted.
 *
 * @param limit the most keys; negative for all
 * @param leading one of the filter's sources: its entries are read, and what else is asked is looked up for each
 */
export function keyQuery(
  filter: Filter,
  after: Position | undefined,
  limit: number,
  leading = sourcesOf(filter)[0],
  columns = KEY_COLUMNS,
): KeyQuery {
  const isWord = leading !== undefined && leading.table !== "patterns";
  const from = isWord
    ? `${leading.table} AS k CROSS JOIN patterns AS p ON p.seq = k.seq`
    : `patterns AS p INDEXED BY ${leading?.index ?? "patterns_by_instant"}`;
  const key = isWord ? "k" : "p";
  const others = sourcesOf(filter).filter(
    ({ column, value }) => column !== leading?.column || value !== leading.value,
  );
  const all: Condition[] = [
    ...(leading ? [condition(`${key}.${leading.column} = ?`, leading.value)] : []),
    ...others.map((source) => lookUp(source, key)),
    within(`${key}.instant`, filter, after),
    ...(after ? [condition(`(${key}.instant < ? OR p.pattern_id > ?)`, int64(after.instant), after.id)] : []),
  ];
  return {
    sql: `SELECT ${columns} FROM ${from}
WHERE ${all.map(({ sql }) => sql).join(" AND ")}
ORDER BY ${key}.instant DESC, p.pattern_id LIMIT ?`,
    parameters: [...all.flatMap(({ parameters }) => parameters), limit],
  };
}

/** Whether a row that another source led to is in this one too. */
function lookUp({ table, column, value }: Source, key: "k" | "p"): Condition {
  if (table === "patterns") return condition(`p.${column} = ?`, value);
  return condition(
    `EXISTS (SELECT 1 FROM ${table} WHERE ${column} = ? AND instant = ${key}.instant AND seq = ${key}.seq)`,
    value,
  );
}

function within(instant: string, filter: Filter, after: Position | undefined): Condition {
  const end = smaller(filter.end ?? MAX_INSTANT, after?.instant ?? MAX_INSTANT);
  return condition(`${instant} BETWEEN ? AND ?`, int64(filter.start ?? MIN_INSTANT), int64(end));
}

/** Whether the keys are exactly the filter's patterns, so that no line needs to be looked into. */
export function isExact(filter: Filter): boolean {
  const { tags = [], agent, project, session, host } = filter;
  if (filter.success !== undefined || filter.where?.length || filter.text !== undefined) return false;
  // SQLite's text has no lone surrogates: they stand in it as U+FFFD, which is a character of its own.
  const isOwn = (text: string) => !text.toWellFormed().includes("\uFFFD");
  return (
    tags.length <= MAX_TAGS && [...tags, agent ?? "", project ?? "", session ?? "", host ?? ""].every(isOwn)
  );
}

/** Tags first: people narrow by them, while an agent's name is on a large part of all patterns. */
function wordsOf({ tags = [], agent }: Filter): Source[] {
  const tagged = [...new Set(tags.slice(0, MAX_TAGS).map((tag) => tag.toWellFormed()))].map(
    (value) => ({ table: "pattern_tags", column: "tag", value }) as const,
  );
  if (agent === undefined) return tagged;
  return [...tagged, { table: "pattern_agents", column: "agent", value: agent.toWellFormed() }];
}

function columnsOf({ session, project, host, patternType }: Filter): Source[] {
  return [
    { column: "session", value: session, index: "patterns_by_session" },
    { column: "project", value: project, index: "patterns_by_project" },
    { column: "host", value: host, index: "patterns_by_host" },
    { column: "pattern_type", value: patternType, index: "patterns_by_type" },
  ].flatMap(({ value, ...rest }) =>
    value === undefined ? [] : [{ table: "patterns", ...rest, value: value.toWellFormed() }],
  );
}

function condition(sql: string, ...parameters: Parameter[]): Condition {
  return { sql, parameters };
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** A cursor from outside may hold any number. */
function int64(instant: bigint): bigint {
  if (instant > MAX_INSTANT) return MAX_INSTANT;
  return instant < MIN_INSTANT ? MIN_INSTANT : instant;
}
