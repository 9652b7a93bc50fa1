/** A question as the library's users ask it. */
import { shown } from "../config/keys.ts";
import { PatterndError } from "../errors.ts";
import { isObject } from "../pattern/schema.ts";
import { Zone } from "../pattern/zone.ts";
import type { Filter } from "../store/filter.ts";
import { MAX_PAGE_LIMIT, parseQuery, type Question } from "../store/query.ts";

/** Everything given must hold. A date is a `Date` or a text; a text without zone is read in this process's. */
export interface QueryOptions {
  readonly patternType?: string | undefined;
  /** Inclusive. */
  readonly startDate?: Date | string | undefined;
  /** Inclusive; a mere date as text means that whole day. */
  readonly endDate?: Date | string | undefined;
  /** All must be there. */
  readonly tags?: readonly string[] | undefined;
  /** `data.agent`, `data.agent_type` or `context.agent`. */
  readonly agent?: string | undefined;
  /** `context.project_name`. */
  readonly project?: string | undefined;
  /** `context.session_id`. */
  readonly session?: string | undefined;
  /** `context.host`. */
  readonly host?: string | undefined;
  /** `data.success`. */
  readonly success?: boolean | undefined;
  /** `data.error_type=TypeError`, a dotted path and the value that must be there; of a list, all. */
  readonly where?: string | readonly string[] | undefined;
  /** A substring of any of the pattern's strings, whatever its case. */
  readonly text?: string | undefined;
  /** At most this many patterns. 100 if not said, except for `iterate` and `iterateLines`: all. */
  readonly limit?: number | undefined;
  /** Where an earlier page ended. */
  readonly cursor?: string | undefined;
}

/** @throws PatterndError `bad_request`, naming the option. */
export function parseOptionsOfQuery(options: QueryOptions, maxLimit: number): Question {
  requireObject(options);
  const { startDate, endDate, success, where, limit, ...others } = options;
  const parameters = {
    ...others,
    startDate: dateText("startDate", startDate),
    endDate: dateText("endDate", endDate),
    success: success === undefined ? undefined : String(success),
    where: typeof where === "string" ? [where] : where,
    limit: limit === undefined ? undefined : String(limit),
  };
  return parseQuery(parameters, Zone.host(), maxLimit);
}

export type AnalysisOptions = Omit<QueryOptions, "limit" | "cursor">;

/** @throws PatterndError `bad_request`, naming the option. */
export function parseOptionsOfAnalysis(options: AnalysisOptions): Filter {
  const { filter } = parseOptionsOfQuery(options, MAX_PAGE_LIMIT);
  for (const name of ["limit", "cursor"]) {
    if (Object.hasOwn(options, name)) throw badRequest(`${name}: an analysis is of all that is meant`);
  }
  return filter;
}

function requireObject(value: unknown): void {
  if (!isObject(value)) throw badRequest(`expected an object, got ${shown(value)}`);
}

/** @throws PatterndError `bad_request` if what a program hands in is no text. */
export function requireText(name: string, value: unknown): void {
  if (typeof value !== "string") throw badRequest(`${name}: expected text, got ${shown(value)}`);
}

export function badRequest(message: string): PatterndError {
  return new PatterndError("bad_request", message, { hint: "docs/library.md lists what can be asked for." });
}

function dateText(name: string, date: Date | string | undefined): string | undefined {
  if (!(date instanceof Date)) return date;
  if (Number.isNaN(date.getTime())) {
    throw badRequest(`${name}: expected a date, got an invalid Date`);
  }
  return date.toISOString();
}
