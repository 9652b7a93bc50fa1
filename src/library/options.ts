/** What callers hand in, from JavaScript too: checked by name, in the words of the configuration where it has them. */
import { resolve } from "node:path";
import * as v from "valibot";
import { checkKeys, type Fault, shown } from "../config/keys.ts";
import { configSchema } from "../config/schema.ts";
import { PatterndError } from "../errors.ts";
import type { DeclaredTypes } from "../pattern/schema.ts";
import { Zone } from "../pattern/zone.ts";
import type { OpenOptions } from "../store/backend.ts";
import { BACKEND_KINDS, type BackendKind } from "../store/open.ts";
import type { NoTypes } from "./pattern.ts";

export interface StorageOptions<Types extends DeclaredTypes = NoTypes> {
  /** `filesystem` if not said. */
  readonly backend?: BackendKind | undefined;
  /** Relative to the working directory at the time of the call. SQLite adds `.db` where there is no extension. */
  readonly path: string;
  /** What a resolved save survives: `fsync` (the default) a power cut, `os` the end of the process. */
  readonly durability?: "fsync" | "os" | undefined;
  /** No lock, nothing written; the store must exist. */
  readonly readOnly?: boolean | undefined;
  /** IANA zone for timestamps without one, fixed when the store is created. The host's if not said. */
  readonly timezone?: string | undefined;
  /** Further pattern types by name, each with the fields that its `data` must have. */
  readonly types?: Types | undefined;
}

const { durability, timezone, types } = configSchema.entries;
const PATH = "expected a path";
const optionsSchema = v.strictObject({
  backend: v.optional(v.unknown(), "filesystem"),
  path: v.pipe(
    v.string(PATH),
    v.nonEmpty(PATH),
    v.check((text) => !text.includes("\0"), "expected a path without NUL characters"),
  ),
  durability,
  readOnly: v.optional(v.boolean("expected true or false"), false),
  timezone,
  types,
});
const typesSchema = v.strictObject({ types });

const HINT = "docs/library.md lists the options.";

export interface Opening {
  readonly kind: BackendKind;
  readonly store: OpenOptions;
  readonly types: DeclaredTypes;
}

/** @throws PatterndError `bad_request`, naming every fault; `backend_unknown`. */
export function parseOptions(options: unknown): Opening {
  const { backend, path, timezone: zone, types: declared, ...rest } = parse(optionsSchema, options);
  const kind = BACKEND_KINDS.find((known) => known === backend);
  if (kind === undefined) {
    const message = `backend: expected one of ${BACKEND_KINDS.join(", ")}, got ${shown(backend)}`;
    throw new PatterndError("backend_unknown", message);
  }
  const holder = "a program that uses the library";
  const store = { ...rest, path: resolve(path), timezone: zone ?? Zone.host().id, holder };
  return { kind, store, types: declared };
}

/** @throws PatterndError `bad_request`, naming every fault. */
export function parseTypes(declared: unknown): DeclaredTypes {
  return parse(typesSchema, { types: declared }).types;
}

function parse<S extends v.GenericSchema>(schema: S, options: unknown): v.InferOutput<S> {
  const { value, faults } = checkKeys(schema, options);
  const result = v.safeParse(schema, value);
  if (result.success && faults.length === 0) return result.output;
  const all = [...faults, ...(result.issues ?? []).map(faultOf)];
  const lines = all.map(({ keys, text }) => [keys.join("."), text].filter(Boolean).join(": "));
  throw new PatterndError("bad_request", lines.join("\n"), { hint: HINT });
}

function faultOf(issue: v.BaseIssue<unknown>): Fault {
  const keys = (issue.path ?? []).map((part) => String(part.key));
  return { keys, text: `${issue.message}, got ${shown(issue.input)}` };
}
