import { readFileSync } from "node:fs";
import { type ParseError, parse, printParseErrorCode } from "jsonc-parser";
import * as v from "valibot";
import { messageOf, PatterndError, systemCode } from "../errors.ts";
import { BUILT_IN_TYPES, isObject } from "../pattern/schema.ts";
import { checkKeys, type Fault, shown } from "./keys.ts";
import { configFiles, type Environment, type GivenSockets, homeFolder } from "./places.ts";
import { type Config, resolveSettings, socketFaults } from "./resolve.ts";
import { configSchema } from "./schema.ts";

export type { Config } from "./resolve.ts";

export interface LoadOptions {
  /** What `--config` says; this file must exist. */
  readonly file?: string | undefined;
  readonly env: Environment;
  /** The user's home folder, if it is not the environment's. */
  readonly home?: string | undefined;
  /** Descriptors of sockets that take the place of the configured paths. */
  readonly given?: GivenSockets;
}

/**
 * Reads the configuration: `file`, else `$PATTERND_CONFIG`, else the user's, else the system's, else defaults.
 *
 * @throws PatterndError `config_unreadable` if a file can't be read, or was named and does not exist;
 *   `config_invalid` with all faults, one a line: file, key path, what was expected, what was found.
 */
export function loadConfig({ file: named, env, home = homeFolder(env), given = {} }: LoadOptions): Config {
  const { files, mustExist } = configFiles(env, home, named);
  const found = readFirst(files, mustExist);
  const file = found?.file;
  const keys = checkKeys(configSchema, found ? found.content : {});
  const parsed = v.safeParse(configSchema, keys.value);
  const faults = [...keys.faults, ...(parsed.issues ?? []).map(faultOf), ...typeFaults(keys.value)];
  if (faults.length > 0 || !parsed.success) throw invalid(file, faults);
  const config: Config = resolveSettings(parsed.output, { file, env, home, given });
  const unusable = socketFaults(config);
  if (unusable.length > 0) throw invalid(file, unusable);
  freeze(config);
  return config;
}

function readFirst(
  files: readonly string[],
  mustExist: boolean,
): { file: string; content: unknown } | undefined {
  for (const file of files) {
    let bytes: Buffer;
    try {
      bytes = readFileSync(file);
    } catch (error) {
      const code = systemCode(error);
      if (!mustExist && (code === "ENOENT" || code === "ENOTDIR")) continue;
      const message = `${file}: expected a readable configuration file, got ${messageOf(error)}`;
      throw new PatterndError("config_unreadable", message, { cause: error });
    }
    return { file, content: parseJson(file, bytes) };
  }
  return undefined;
}

function parseJson(file: string, bytes: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PatterndError("config_invalid", `${file}: expected UTF-8, got other bytes`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PatterndError("config_invalid", `${file}: ${syntaxFault(text)}`, { cause });
  }
}

/** V8 does not always say where; jsonc-parser does. */
function syntaxFault(text: string): string {
  const errors: ParseError[] = [];
  parse(text, errors, { disallowComments: true });
  const [first] = errors;
  if (!first) return "expected JSON, got something else";
  const before = text.slice(0, first.offset).split("\n");
  const reason = printParseErrorCode(first.error)
    .replace(/\B[A-Z]/g, " $&")
    .toLowerCase();
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}: expected JSON, got a fault: ${reason}`;
}

function faultOf(issue: v.BaseIssue<unknown>): Fault {
  const keys = (issue.path ?? []).map((part) => String(part.key));
  return { keys, text: `${issue.message}, got ${shown(issue.input)}` };
}

/** Types that are switched or retained by name must be known; which are, the same file says. */
function typeFaults(content: unknown): Fault[] {
  const declared = at(content, "types");
  const known = [...BUILT_IN_TYPES, ...Object.keys(declared)];
  const faults: Fault[] = [];
  for (const keys of [["collect"], ["retention", "byType"]]) {
    const named = keys.reduce(at, content);
    for (const type of isObject(named) ? Object.keys(named) : []) {
      if (known.includes(type)) continue;
      const text = `unknown pattern type, expected one of ${known.join(", ")}, or one declared in types`;
      faults.push({ keys: [...keys, type], text });
    }
  }
  return faults;
}

function at(value: unknown, key: string): Record<string, unknown> {
  const inner = isObject(value) ? value[key] : undefined;
  return isObject(inner) ? inner : {};
}

function invalid(file: string | undefined, faults: readonly Fault[]): PatterndError {
  const place = file ?? "default configuration";
  const lines = faults.map(({ keys, text }) =>
    [place, keys.map(written).join("."), text].filter(Boolean).join(": "),
  );
  return new PatterndError("config_invalid", lines.join("\n"));
}

/** A key with odd characters is quoted: a fault is one line. */
function written(key: string): string {
  return /^[\w$-]+$/.test(key) ? key : JSON.stringify(key);
}

function freeze(value: object): void {
  Object.freeze(value);
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) freeze(part);
}
