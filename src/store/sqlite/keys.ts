import type { Position } from "../backend.ts";
import type { Filter } from "../filter.ts";

/** What answers the keys (`seq`, `instant`, `id`) of a filter's patterns, in order. */
export interface KeyQuery {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

export type Parameter = string | bigint | number;

interface Condition {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

/** More tags than this are left to the matcher: SQLite bounds the depth of an expression. */
const MAX_TAGS = 8;
const MIN_INSTANT = -(2n ** 63n);
const MAX_INSTANT = 2n ** 63n - 1n;

/**
 * The source is fixed here, not left to SQLite's planner: the most selective index that the filter has a value
 * for. Each of them ends in the instant, so that the newest come first and only equal instants are sorted.
 *
 * @param limit the most keys; negative for all
 */
export function keyQuery(filter: Filter, after: Position | undefined, limit: number): KeyQuery {
  const [leading, ...words] = wordsOf(filter);
  const columns = columnsOf(filter);
  const from = leading
    ? `${leading.table} AS k CROSS JOIN patterns AS p ON p.seq = k.seq`
    : `patterns AS p INDEXED BY ${columns[0]?.index ?? "patterns_by_instant"}`;
  const instant = leading ? "k.instant" : "p.instant";
  const end = smaller(filter.end ?? MAX_INSTANT, after?.instant ?? MAX_INSTANT);
  const all: Condition[] = [
    ...(leading ? [condition(`k.${leading.column} = ?`, leading.word)] : []),
    ...words.map(({ table, column, word }) =>
      condition(
        `EXISTS (SELECT 1 FROM ${table} WHERE ${column} = ? AND instant = k.instant AND seq = k.seq)`,
        word,
      ),
    ),
    ...columns.map(({ column, value }) => condition(`p.${column} = ?`, value)),
    condition(`${instant} BETWEEN ? AND ?`, int64(filter.start ?? MIN_INSTANT), int64(end)),
    ...(after ? [condition(`(${instant} < ? OR p.pattern_id > ?)`, int64(after.instant), after.id)] : []),
  ];
  return {
    sql: `SELECT p.seq AS seq, p.instant AS instant, p.pattern_id AS id FROM ${from}
WHERE ${all.map(({ sql }) => sql).join(" AND ")}
ORDER BY ${instant} DESC, p.pattern_id LIMIT ?`,
    parameters: [...all.flatMap(({ parameters }) => parameters), limit],
  };
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
function wordsOf({ tags = [], agent }: Filter) {
  const tagged = tags
    .slice(0, MAX_TAGS)
    .map((tag) => ({ table: "pattern_tags", column: "tag", word: tag.toWellFormed() }));
  if (agent === undefined) return tagged;
  return [...tagged, { table: "pattern_agents", column: "agent", word: agent.toWellFormed() }];
}

/** The most selective first. */
function columnsOf({ session, project, host, patternType }: Filter) {
  return [
    { column: "session", value: session, index: "patterns_by_session" },
    { column: "project", value: project, index: "patterns_by_project" },
    { column: "host", value: host, index: "patterns_by_host" },
    { column: "pattern_type", value: patternType, index: "patterns_by_type" },
  ].flatMap(({ value, ...rest }) => (value === undefined ? [] : [{ ...rest, value: value.toWellFormed() }]));
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
