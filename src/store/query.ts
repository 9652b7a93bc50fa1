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

const text = v.pipe(v.string("expected text"), v.nonEmpty("expected text, got an empty string"));
const texts = v.array(text, "expected a list of texts");

/** Every parameter of `GET /v1/patterns`, as text: names and meaning are a promise (docs/protocol.md). */
export const querySchema = v.strictObject({
  patternType: v.optional(text),
  startDate: v.optional(text),
  endDate: v.optional(text),
  tags: v.optional(texts),
  agent: v.optional(text),
  project: v.optional(text),
  session: v.optional(text),
  host: v.optional(text),
  success: v.optional(v.picklist(["true", "false"], "expected true or false")),
  where: v.optional(texts),
  text: v.optional(text),
  limit: v.optional(text),
  cursor: v.optional(text),
});

export type QueryParameters = v.InferOutput<typeof querySchema>;
export const REPEATABLE: ReadonlySet<string> = new Set(["tags", "where"]);

export interface Question {
  readonly filter: Filter;
  readonly page: PageRequest;
}

/** @throws PatterndError `bad_request`, naming the parameter. `zone`: the asker's, for dates without one. */
export function parseQuery(parameters: object, zone: Zone, maxLimit = MAX_PAGE_LIMIT): Question {
  // valibot would take what every object inherits, such as __proto__, for a parameter that it knows.
  const unknown = Object.keys(parameters).find((name) => !Object.hasOwn(querySchema.entries, name));
  if (unknown !== undefined) throw badRequest(`unknown parameter ${unknown}`);
  const result = v.safeParse(querySchema, parameters);
  if (!result.success) {
    const [issue] = result.issues;
    throw badRequest(`${v.getDotPath(issue)}: ${issue.message}`);
  }
  const { patternType, startDate, endDate, tags, agent, project, session, host, success, where } =
    result.output;
  const filter: Filter = {
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
    ...(result.output.text === undefined ? {} : { text: result.output.text }),
  };
  const { limit, cursor } = result.output;
  return {
    filter,
    page: {
      limit: limit === undefined ? DEFAULT_LIMIT : parseLimit(limit, maxLimit),
      after: cursor === undefined ? undefined : decodeCursor(cursor),
    },
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
  const match = /^(-?\d{1,19})~(.+)$/s.exec(Buffer.from(cursor, "base64url").toString("utf8"));
  if (!match?.[1] || !match[2])
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

function parseLimit(text: string, most: number): number {
  const limit = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > most)
    throw badRequest(`limit: expected an integer from 1 to ${most}, got ${text}`);
  return limit;
}

function badRequest(message: string): PatterndError {
  return new PatterndError("bad_request", message);
}
