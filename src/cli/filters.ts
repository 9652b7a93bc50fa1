/** The flags that say which patterns are meant, and the query that they spell. */
import type { Command } from "commander";
import * as v from "valibot";
import { PatterndError } from "../errors.ts";
import { TIMESTAMP_FORM, writeInstant } from "../pattern/timestamp.ts";
import { Zone } from "../pattern/zone.ts";
import { DEFAULT_LIMIT, type QueryParameters } from "../store/query.ts";
import { parseMoment, RELATIVE_FORM } from "./moment.ts";

const text = v.optional(v.string());
const texts = v.optional(v.array(v.string()));

export const filterFlags = v.object({
  type: text,
  since: text,
  until: text,
  tag: texts,
  agent: text,
  project: text,
  session: text,
  host: text,
  failed: v.optional(v.boolean()),
  where: texts,
  text,
  limit: text,
  cursor: text,
});

export type FilterFlags = v.InferOutput<typeof filterFlags>;

/** What to ask for page by page, and how many patterns in all. */
export interface Wanted {
  readonly parameters: Omit<QueryParameters, "limit" | "cursor">;
  readonly limit: number;
  readonly cursor: string | undefined;
}

/** `standardLimit`: what the help says about `--limit` that is not given. `without`: flags that mean nothing here. */
export function withFilters(
  command: Command,
  standardLimit = String(DEFAULT_LIMIT),
  without: readonly string[] = [],
): Command {
  withSelection(command, without).option(
    "--limit <count>",
    `at most this many patterns (default: ${standardLimit})`,
  );
  if (without.includes("--cursor")) return command;
  return command.option("--cursor <cursor>", "go on where an earlier answer ended");
}

/** Which patterns, without how many of them. */
export function withSelection(command: Command, without: readonly string[] = []): Command {
  const all = (value: string, before: string[] = []) => [...before, value];
  command
    .option("--type <type>", "patterns of this type")
    .option("--since <time>", `from this time on: a date, a time, ${RELATIVE_FORM}`);
  if (!without.includes("--until"))
    command.option("--until <time>", "up to this time; a date means that whole day");
  return command
    .option("--tag <tag>", "patterns with this tag; repeatable, all must be there", all)
    .option("--agent <name>", "patterns of this agent")
    .option("--project <name>", "patterns of this project")
    .option("--session <id>", "patterns of this session")
    .option("--host <name>", "patterns from this host")
    .option("--failed", "patterns that say data.success = false")
    .option("--where <path=value>", "for example data.error_type=TypeError; repeatable", all)
    .option("--text <text>", "patterns with this text in any string, whatever its case");
}

/**
 * Times without a zone are this process's; what is asked for has absolute ones, whoever answers.
 *
 * @throws PatterndError `usage`.
 */
export function wantedBy(flags: FilterFlags, now = new Date()): Wanted {
  const { type, since, until, tag, agent, project, session, host, failed, where, text, limit, cursor } =
    flags;
  const zone = Zone.host();
  const bound = (flag: string, value: string | undefined, side: "start" | "end") => {
    if (value === undefined) return undefined;
    const instant = parseMoment(value, side, zone, now);
    if (instant !== undefined) return instant;
    throw usage(`${flag}: expected ${TIMESTAMP_FORM}, ${RELATIVE_FORM}; got ${JSON.stringify(value)}`);
  };
  const [start, end] = [bound("--since", since, "start"), bound("--until", until, "end")];
  if (start !== undefined && end !== undefined && start > end)
    throw usage(`--until: expected a time after --since (${since}), got ${until}`);
  return {
    parameters: {
      patternType: type,
      startDate: start === undefined ? undefined : writeInstant(start),
      endDate: end === undefined ? undefined : writeInstant(end),
      tags: tag,
      agent,
      project,
      session,
      host,
      success: failed ? "false" : undefined,
      where,
      text,
    },
    limit: limit === undefined ? DEFAULT_LIMIT : parseLimit(limit),
    cursor,
  };
}

/** @throws PatterndError `usage` */
export function parseLimit(limit: string): number {
  const count = /^\d{1,15}$/.test(limit) ? Number(limit) : 0;
  if (count < 1) throw usage(`--limit: expected an integer >= 1, got ${JSON.stringify(limit)}`);
  return count;
}

function usage(message: string): PatterndError {
  return new PatterndError("usage", message);
}
