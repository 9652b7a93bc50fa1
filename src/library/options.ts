/** What callers hand in, from JavaScript too: checked by name, in the words of the configuration where it has them. */
import { resolve } from "node:path";
import * as v from "valibot";
import { checkKeys, type Fault, shown } from "../config/keys.ts";
import { configSchema, MAX_DAYS } from "../config/schema.ts";
import { PatterndError } from "../errors.ts";
import { type DeclaredTypes, isObject } from "../pattern/schema.ts";
import { Zone } from "../pattern/zone.ts";
import type { OpenOptions, StoreRepair } from "../store/backend.ts";
import { BACKEND_KINDS, type BackendKind, type StorePlace } from "../store/open.ts";
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
  /** Days after which `deleteOldPatterns` deletes, if it is not told otherwise: 90 if not said. */
  readonly retentionDays?: number | undefined;
  /** Days after which `compressOldFiles` compresses, if it is not told otherwise: 30 if not said. */
  readonly compressAfterDays?: number | undefined;
  /** Told of each write that a crash cut short, and that was taken out while opening, before `open` resolves. */
  readonly onRepair?: ((repair: StoreRepair) => void) | undefined;
}

/** Over a running daemon: it alone opens its store. */
export interface DaemonOptions<Types extends DeclaredTypes = NoTypes> {
  readonly backend: "daemon";
  /** The daemon's ingest socket, beside which the others are. Where the command looks for one if not said. */
  readonly socket?: string | undefined;
  /** The configuration file that names the sockets, if it is not in its usual place. */
  readonly config?: string | undefined;
  /** The further pattern types that its configuration declares, and that this program saves. */
  readonly types?: Types | undefined;
}

export interface DeletionOptions {
  /** Above 0, fractions too. That of `open` if not said. */
  readonly retentionDays?: number | undefined;
}

export interface CompressionOptions {
  /** 0: all days but today. `compressAfterDays` of `open` if not said. */
  readonly afterDays?: number | undefined;
}

const { durability, timezone, types } = configSchema.entries;
const PATH = "expected a path";
const RETENTION = `expected a number of days above 0, at most ${MAX_DAYS}`;
const retentionDays = v.pipe(v.number(RETENTION), v.gtValue(0, RETENTION), v.maxValue(MAX_DAYS, RETENTION));
const AFTER = `expected a number of days from 0 to ${MAX_DAYS}`;
const afterDays = v.pipe(v.number(AFTER), v.minValue(0, AFTER), v.maxValue(MAX_DAYS, AFTER));
const place = {
  backend: v.optional(v.unknown(), "filesystem"),
  path: v.pipe(
    v.string(PATH),
    v.nonEmpty(PATH),
    v.check((text) => !text.includes("\0"), "expected a path without NUL characters"),
  ),
};
// Of what an object must have, only the path is ever missing.
const placeSchema = v.strictObject(place, PATH);
const storageEntries = {
  ...place,
  durability,
  readOnly: v.optional(v.boolean("expected true or false"), false),
  timezone,
  types,
  retentionDays: v.optional(retentionDays, 90),
  compressAfterDays: v.optional(afterDays, 30),
  onRepair: v.optional(v.function("expected a function")),
};
const optionsSchema = v.strictObject(storageEntries, PATH);
const { path: fileName } = place;
const daemonSchema = v.strictObject({
  backend: v.literal("daemon"),
  socket: v.optional(fileName),
  config: v.optional(fileName),
  types,
});
const typesSchema = v.strictObject({ types });
const deletionSchema = v.strictObject({ retentionDays: v.optional(retentionDays) });
const compressionSchema = v.strictObject({ afterDays: v.optional(afterDays) });

const HINT = "docs/library.md lists the options.";

export interface Opening {
  readonly kind: BackendKind;
  readonly store: OpenOptions;
  readonly types: DeclaredTypes;
  readonly upkeep: UpkeepDays;
  readonly onRepair: (repair: StoreRepair) => void;
}

export interface UpkeepDays {
  readonly retentionDays: number;
  readonly compressAfterDays: number;
}

/** What it says of a daemon, if that is what is to be opened. @throws PatterndError `bad_request`, naming every fault. */
export function parseDaemonOptions(options: unknown): v.InferOutput<typeof daemonSchema> | undefined {
  return isObject(options) && options.backend === "daemon" ? parse(daemonSchema, options) : undefined;
}

/** @throws PatterndError `bad_request`, naming every fault; `backend_unknown`. */
export function parseOptions(options: unknown): Opening {
  const { backend, path, timezone: zone, types: declared, ...others } = parse(optionsSchema, options);
  const { retentionDays, compressAfterDays, onRepair = () => {}, ...rest } = others;
  const kind = kindOf(backend);
  const holder = "a program that uses the library";
  const store = { ...rest, path: resolve(path), timezone: zone ?? Zone.host().id, holder };
  return { kind, store, types: declared, upkeep: { retentionDays, compressAfterDays }, onRepair };
}

function kindOf(backend: unknown): BackendKind {
  const kind = BACKEND_KINDS.find((known) => known === backend);
  if (kind !== undefined) return kind;
  const message = `backend: expected one of ${BACKEND_KINDS.join(", ")}, daemon, got ${shown(backend)}`;
  throw new PatterndError("backend_unknown", message);
}

/** @throws PatterndError `bad_request`, naming every fault; `backend_unknown`. */
export function parsePlace(given: unknown): StorePlace {
  const { backend, path } = parse(placeSchema, given);
  return { backend: kindOf(backend), path: resolve(path) };
}

/** @throws PatterndError `bad_request`, naming every fault. */
export function parseTypes(declared: unknown): DeclaredTypes {
  return parse(typesSchema, { types: declared }).types;
}

/** @throws PatterndError `bad_request`, naming every fault. */
export function parseDeletion(options: unknown): number | undefined {
  return parse(deletionSchema, options).retentionDays;
}

/** @throws PatterndError `bad_request`, naming every fault. */
export function parseCompression(options: unknown): number | undefined {
  return parse(compressionSchema, options).afterDays;
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
