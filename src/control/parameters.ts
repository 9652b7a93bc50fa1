import type { Context } from "hono";
import { PatterndError } from "../errors.ts";

/** A request's parameters, repeatable ones as lists; another one that is repeated is refused, not half ignored. */
export function parametersOf(c: Context, repeatable: ReadonlySet<string> = new Set()): object {
  const values = new Map<string, string[]>();
  for (const [name, value] of new URL(c.req.url).searchParams)
    values.set(name, [...(values.get(name) ?? []), value]);
  const parameters = [...values].map(([name, all]) => {
    if (repeatable.has(name)) return [name, all] as const;
    if (all.length === 1) return [name, all[0]] as const;
    throw new PatterndError("bad_request", `${name}: expected it once, got it ${all.length} times`);
  });
  return Object.fromEntries(parameters);
}
