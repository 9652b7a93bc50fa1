/** A question as it is asked (the command's flags, a request's parameters) to the filter and the page it means. */
import * as v from "valibot";
import { type Periods, periodsOf } from "../analysis/period.ts";
import { PatterndError } from "../errors.ts";
import { parseBound, TIMESTAMP_FORM } from "../pattern/timestamp.ts";
import type { Zone } from "../pattern/zone.ts";
import type { PageRequest, Position } from "./backend.ts";
import type { Filter, Where } from "./filter.ts";

export const DEFAULT_LIMIT = 100;
/** The most that one page may ask for: more is asked for page by page. */
export const MAX_PAGE_LIMIT = 10_000;

/** How many of the newest patterns are shown before those that come. */
export const DEFAULT_TAIL = 10;
export const MAX_TAIL = 1_000;

const textSchema = v.pipe(v.string("expected text"), v.nonEmpty("expected text, got an empty string"));
const texts = v.array(textSchema, "expected a list of texts");

/** Every parameter of `GET /v1/patterns`, as text: names and meaning are a promise (docs/protocol.md). */
export const querySchema = v.strictObject({
  patternType: parameter(textSchema, "Patterns of this type."),
  startDate: parameter(textSchema, "From this time on, inclusive."),
  endDate: parameter(textSchema, "Up to this time, inclusive; a mere date means that whole day."),
  tags: parameter(texts, "Patterns with this tag; repeatable, all must be there."),
  agent: parameter(textSchema, "data.agent, data.agent_type or context.agent."),
  project: parameter(textSchema, "context.project_name."),
  session: parameter(textSchema, "context.session_id."),
  host: parameter(textSchema, "context.host."),
  success: parameter(v.picklist(["true", "false"], "expected true or false"), "data.success."),
  where: parameter(texts, "path=value, such as data.error_type=TypeError; repeatable."),
  text: parameter(textSchema, "A substring of any of the pattern's strings, whatever its case."),
  limit: parameter(textSchema, "At most this many patterns."),
  cursor: parameter(textSchema, "Where an earlier answer ended."),
});

function parameter<const S extends v.GenericSchema>(schema: S, description: string) {
  return v.optional(v.pipe(schema, v.description(description)));
}

/** Those of `GET /v1/tail`, which begins with the newest and has no end. */
export const tailSchema = v.omit(querySchema, ["endDate", "cursor"]);

export type QueryParameters = v.InferOutput<typeof querySchema>;
export const REPEATABLE: ReadonlySet<string> = new Set(["tags", "where"]);

export interface Question {
  readonly filter: Filter;
  readonly page: PageRequest;
}

/** @throws PatterndError `bad_request`, naming the parameter. `zone`: the asker's, for dates without one. */
export function parseQuery(parameters: object, zone: Zone, maxLimit = MAX_PAGE_LIMIT): Question {
  const known = parseParameters(querySchema, parameters);
  const { limit, cursor } = known;
  return {
    filter: filterOf(known, zone),
    page: {
      limit: limit === undefined ? DEFAULT_LIMIT : parseLimit(limit, 1, maxLimit),
      after: cursor === undefined ? undefined : decodeCursor(cursor),
    },
  };
}

/** What to follow, and how many of the newest to begin with. @throws PatterndError as `parseQuery` */
export function parseTail(parameters: object, zone: Zone): { filter: Filter; newest: number } {
  const known = parseParameters(tailSchema, parameters);
  const { limit } = known;
  const newest = limit === undefined ? DEFAULT_TAIL : parseLimit(limit, 0, MAX_TAIL);
  return { filter: filterOf(known, zone), newest };
}

/** @throws PatterndError `bad_request`, naming the parameter. */
export function parseParameters<const S extends v.StrictObjectSchema<v.ObjectEntries, undefined>>(
  schema: S,
  parameters: object,
): v.InferOutput<S> {
  // valibot would take what every object inherits, such as __proto__, for a parameter that it knows.
  const unknown = Object.keys(parameters).find((name) => !Object.hasOwn(schema.entries, name));
  if (unknown !== undefined) throw badRequest(`unknown parameter ${unknown}`);
  const result = v.safeParse(schema, parameters);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw badRequest(`${v.getDotPath(issue)}: ${issue.message}`);
}

function filterOf(parameters: QueryParameters, zone: Zone): Filter {
  const { patternType, startDate, endDate, tags, agent, project, session, host, success, where, text } =
    parameters;
  return {
    ...(patternType === undefined ? {} : { patternType }),
    ...(startDate === undefined ? {} : { start: bound("startDate", startDate, zone, "start") }),
    ...(endDate === undefined ? {} : { end: bound("endDate", endDate, zone, "end") }),
    ...(tags === undefined ? {} : { tags }),
    ...(agent === undefined ? {} : { agent }),
    ...(project === undefined ? {} : { project }),
    ...(session === undefined ? {} : { session }),
    ...(host === undefined ? {} : { host }),
    ...(success === undefined ? {} : { success: success === "true" }),
    ...(where === undefined ? {} : { where: where.map(parseWhere) }),
    ...(text === undefined ? {} : { text }),
  };
}

/**
 * The same of an analysis, which has no pages, and the periods that it means.
 *
 * @throws PatterndError `bad_request`, naming the parameter.
 */
export function parseAnalysis(
  parameters: object,
  zone: Zone,
  now = new Date(),
): { readonly filter: Filter; readonly periods: Periods } {
  const paging = ["limit", "cursor"].find((name) => Object.hasOwn(parameters, name));
  if (paging !== undefined) throw badRequest(`unknown parameter ${paging}`);
  const { filter } = parseQuery(parameters, zone);
  return { filter, periods: periodsOf(filter.start, filter.end, now) };
}

/** A position as the opaque text that askers hand back. */
export function encodeCursor(position: Position): string {
  return Buffer.from(`${position.instant}~${position.id}`, "utf8").toString("base64url");
}

export function decodeCursor(cursor: string): Position {
  const match = /^(-?\d{1,19})~(.*)$/s.exec(Buffer.from(cursor, "base64url").toString("utf8"));
  if (!match?.[1] || match[2] === undefined)
    throw badRequest("cursor: expected what an earlier answer gave as its next cursor");
  return { instant: BigInt(match[1]), id: match[2] };
}

function bound(name: string, value: string, zone: Zone, side: "start" | "end"): bigint {
  const instant = parseBound(value, zone, side);
  if (instant === undefined)
    throw badRequest(`${name}: expected ${TIMESTAMP_FORM}, got ${JSON.stringify(value)}`);
  return instant;
}

function parseWhere(text: string): Where {
  const equals = text.indexOf("=");
  if (equals < 1) throw badRequest(`where: expected path=value, got ${JSON.stringify(text)}`);
  return { path: text.slice(0, equals), value: text.slice(equals + 1) };
}

function parseLimit(text: string, least: number, most: number): number {
  const limit = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  if (limit < least || limit > most)
    throw badRequest(`limit: expected an integer from ${least} to ${most}, got ${text}`);
  return limit;
}

function badRequest(message: string): PatterndError {
  return new PatterndError("bad_request", message);
}
