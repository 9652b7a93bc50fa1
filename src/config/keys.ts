/**
 * The keys of a configuration against those of the schema. Apart from valibot, which stops at an object's first
 * unknown key, takes lists for objects, and leaves out a record's `constructor` without a word.
 */
import type * as v from "valibot";
import { isObject } from "../pattern/schema.ts";

/** What is wrong, and at which key: from the root, outermost first. */
export interface Fault {
  readonly keys: readonly string[];
  readonly text: string;
}

/** A schema, as far as keys go: a section has entries, a record (whose keys are the user's) values. */
interface Node {
  readonly type: string;
  readonly wrapped?: Node;
  readonly entries?: Readonly<Record<string, Node>>;
  readonly value?: Node;
}

const SHOWN_CHARACTERS = 60;
const LEAST_PREFIX = 3;
/** Records with these keys are not safe to copy in JavaScript, and valibot drops them. */
const RESERVED = new Set(["__proto__", "prototype", "constructor"]);

/** The value without comments (`$schema`, `x-…`) and without what is faulty; the faults, all of them. */
export function checkKeys(schema: v.GenericSchema, value: unknown): { value: unknown; faults: Fault[] } {
  const faults: Fault[] = [];
  return { value: check(schema, value, [], faults), faults };
}

/** A value in a message: short, and on one line. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (isObject(value)) return "an object";
  if (typeof value === "function") return "a function";
  // JSON has no bigints, and would have NaN be null.
  const json = typeof value === "string" ? JSON.stringify(value) : String(value);
  return json.length <= SHOWN_CHARACTERS ? json : `${json.slice(0, SHOWN_CHARACTERS).toWellFormed()}…`;
}

function check(node: Node, value: unknown, keys: readonly string[], faults: Fault[]): unknown {
  const inner = unwrap(node);
  const { entries, value: each } = inner;
  if (!entries && !each) return value;
  if (!isObject(value)) {
    faults.push({ keys, text: `expected an object, got ${shown(value)}` });
    return {};
  }
  const kept: [string, unknown][] = [];
  for (const [key, own] of Object.entries(value)) {
    if (key === "$schema" || key.startsWith("x-")) continue;
    const next = each ?? (entries && Object.hasOwn(entries, key) ? entries[key] : undefined);
    const here = [...keys, key];
    if (!next) faults.push({ keys: here, text: unknown(key, Object.keys(entries ?? {})) });
    else if (RESERVED.has(key))
      faults.push({ keys: here, text: `expected another name, ${key} is reserved` });
    else kept.push([key, check(next, own, here, faults)]);
  }
  return Object.fromEntries(kept);
}

function unknown(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  const expected = `unknown key, expected one of ${known.join(", ")}`;
  return near === undefined ? expected : `unknown key, did you mean ${near}?`;
}

function nearest(key: string, known: readonly string[]): string | undefined {
  const wanted = plain(key);
  const same = known.find((candidate) => plain(candidate) === wanted);
  if (same !== undefined || wanted.length < LEAST_PREFIX) return same;
  return (
    known.find((candidate) => plain(candidate).startsWith(wanted) || wanted.startsWith(plain(candidate))) ??
    known.find((candidate) => isOneSlipApart(plain(candidate), wanted))
  );
}

/** One character missing, too many or another one, or two neighbours exchanged. */
function isOneSlipApart(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < shorter - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const [own, other] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  if (own.length <= 1 && other.length <= 1) return true;
  return own.length === 2 && other.length === 2 && own[0] === other[1] && own[1] === other[0];
}

/** `max_line_bytes` and `MaxLineBytes` are near misses of `maxLineBytes`. */
function plain(key: string): string {
  return key.toLowerCase().replace(/[^a-z0-9]/g, "");
}

function unwrap(node: Node): Node {
  let at = node;
  while (at.wrapped) at = at.wrapped;
  return at;
}
