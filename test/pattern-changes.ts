/** Changes to patterns: each may leave it valid, or break it somewhere. */
import fc from "fast-check";
import { CONTEXT, DATA, type TypeName } from "./pattern-fixture.ts";

export const TYPES = [
  "task_completion",
  "error_occurrence",
  "agent_usage",
  "user_correction",
  "code_review",
] as const satisfies TypeName[];

/** JSON that some field takes, nearly takes, or never takes. */
const value = fc.oneof(
  fc.constantFrom(
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "5.0",
    "0.5",
    "100",
    "100.5",
    "1e400",
    "-1e400",
    "9007199254740991",
    "9007199254740992",
    '""',
    '"x"',
    '"\\u0000"',
    '"\\ud800"',
    '"staging"',
    '"minor"',
    '"2026-05-01"',
    '"2026-02-30"',
    "[]",
    '["x"]',
    '["x",1]',
    '["\\udc00"]',
    "[null]",
    "{}",
    '{"__proto__":{"tags":["x"]}}',
    '{"constructor":1}',
    `"${"🦊".repeat(256)}"`,
    `"${"x".repeat(257)}"`,
  ),
  fc.json({ maxDepth: 2 }),
);

/** A path from the root, and the JSON that is put there; undefined: the key is taken away. */
export type Change = readonly [path: readonly string[], json: string | undefined];

export function changed(object: unknown, [path, json]: Change): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return json === undefined ? null : JSON.parse(json);
  if (typeof object !== "object" || object === null) return object;
  const entries = Object.entries(object).filter(([own]) => own !== key);
  const inner: unknown = Object.getOwnPropertyDescriptor(object, key)?.value;
  const kept = rest.length === 0 && json === undefined ? [] : [[key, changed(inner, [rest, json])] as const];
  return Object.fromEntries([...entries, ...kept]);
}

function pathsOf(type: TypeName): string[][] {
  const outer = ["pattern_id", "pattern_type", "timestamp", "data", "context", "version", "__proto__"];
  const data = [...Object.keys(DATA[type]), "__proto__", "other"].map((key) => ["data", key]);
  const context = [...Object.keys(CONTEXT), "__proto__"].map((key) => ["context", key]);
  return [[], ...outer.map((key) => [key]), ...data, ...context];
}

export function changesOf(type: TypeName): fc.Arbitrary<Change[]> {
  const change = fc.tuple(fc.constantFrom(...pathsOf(type)), fc.option(value, { nil: undefined }));
  return fc.array(change, { maxLength: 3 });
}
