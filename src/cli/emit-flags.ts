/** `patternd emit`'s flags, and the pattern that they spell. Without commander: this starts fast. */
import { parseArgs } from "node:util";
import type { Surroundings } from "../client/surroundings.ts";
import { messageOf, PatterndError } from "../errors.ts";

export const EMIT_HELP = `Usage: patternd emit [options] --type TYPE [key=value | key:=json]...
       patternd emit [options] < patterns.ndjson

Sends a pattern to the daemon. key=value is a string of the pattern's data, key:=json any JSON value.
Without a pattern in the flags, patterns are read from standard input, one JSON object a line.
What is absent is filled in: id, time, host, project and branch (git), session ($PATTERND_SESSION).
When no daemon answers, patterns wait in the outbox until one starts.

Pattern:
  --type TYPE             task_completion, error_occurrence, agent_usage, user_correction or a declared one
  --data JSON             the data as one JSON object
  --id ID                 the pattern's id (default: a new UUIDv7)
  --timestamp TIME        when it happened (default: now)
  --tag TAG               a tag; repeatable
  --project NAME          project (default: the git root's name)
  --session ID            session (default: $PATTERND_SESSION)
  --host NAME             host (default: this one's name)
  --environment NAME      development, staging or production
  --context KEY=VALUE     any other key of the context, or KEY:=JSON; repeatable

Sending:
  --no-wait               don't wait for the daemon's receipt (otherwise at most 1 s)
  --hook                  exit with 0 whatever happens, and print nothing on standard output
  --json                  print the receipt
  --socket PATH           the daemon's ingest socket, and no other
  --config FILE           configuration file
  -h, --help              this text
`;

const OPTIONS = {
  type: { type: "string" },
  data: { type: "string" },
  id: { type: "string" },
  timestamp: { type: "string" },
  tag: { type: "string", multiple: true },
  project: { type: "string" },
  session: { type: "string" },
  host: { type: "string" },
  environment: { type: "string" },
  context: { type: "string", multiple: true },
  "no-wait": { type: "boolean" },
  hook: { type: "boolean" },
  json: { type: "boolean" },
  socket: { type: "string" },
  config: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

const SENDING = new Set(["no-wait", "hook", "json", "socket", "config", "help"]);

export type EmitFlags = ReturnType<typeof parseEmit>;

/** @throws PatterndError `usage`. */
export function parseEmit(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: OPTIONS,
      allowPositionals: true,
    });
    const isPattern = positionals.length > 0 || Object.keys(values).some((flag) => !SENDING.has(flag));
    return { ...values, pairs: positionals, isPattern };
  } catch (error) {
    // Node adds advice in further sentences.
    throw usage(messageOf(error).replace(/\.(\s.*)?$/s, ""));
  }
}

/**
 * The pattern as one line. JSON from the flags is taken over as text, so that a number beyond 2^53 stays what it is.
 *
 * @throws PatterndError `usage`.
 */
export function patternLine(flags: EmitFlags, about: Surroundings): string {
  if (flags.type === undefined) throw usage("--type is missing");
  const context = new Map<string, string>();
  for (const [key, value] of Object.entries(about)) context.set(key, JSON.stringify(value));
  for (const pair of flags.context ?? []) context.set(...entry(pair, "--context"));
  const { tag: tags, project: project_name, session: session_id, host, environment } = flags;
  for (const [key, value] of Object.entries({ tags, project_name, session_id, host, environment })) {
    if (value !== undefined) context.set(key, JSON.stringify(value));
  }
  const pattern = new Map<string, string>();
  if (flags.id !== undefined) pattern.set("pattern_id", JSON.stringify(flags.id));
  pattern.set("pattern_type", JSON.stringify(flags.type));
  if (flags.timestamp !== undefined) pattern.set("timestamp", JSON.stringify(flags.timestamp));
  pattern.set("data", dataText(flags));
  pattern.set("context", objectText(context));
  return objectText(pattern);
}

/** `--data` as it is; pairs beside it follow it, where the last of two equal keys counts. */
function dataText({ data = "{}", pairs }: EmitFlags): string {
  const text = jsonText(data, "--data");
  if (!text.startsWith("{")) throw usage(`--data: expected a JSON object, got ${data}`);
  if (pairs.length === 0) return text;
  const own = text.slice(1, -1).trim();
  const more = objectText(new Map(pairs.map((pair) => entry(pair, "argument")))).slice(1);
  return `{${own}${own === "" ? "" : ","}${more}`;
}

/** `key=value` or `key:=json` to the key and its value as JSON text. */
function entry(pair: string, place: string): [key: string, json: string] {
  const equals = pair.indexOf("=");
  const isJson = pair[equals - 1] === ":";
  const key = pair.slice(0, isJson ? equals - 1 : Math.max(equals, 0));
  if (key === "") throw usage(`${place}: expected key=value or key:=json, got ${pair}`);
  const value = pair.slice(equals + 1);
  return [key, isJson ? jsonText(value, `${place} ${key}`) : JSON.stringify(value)];
}

/** In valid JSON a line break can only be white space between tokens. */
function jsonText(text: string, place: string): string {
  try {
    JSON.parse(text);
  } catch {
    throw usage(`${place}: expected JSON, got ${text}`);
  }
  return text.replaceAll(/[\r\n]/g, " ").trim();
}

function objectText(entries: ReadonlyMap<string, string>): string {
  return `{${[...entries].map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(",")}}`;
}

function usage(message: string): PatterndError {
  return new PatterndError("usage", `emit: ${message}`, { hint: "See `patternd emit --help`." });
}
