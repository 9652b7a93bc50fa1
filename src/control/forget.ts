/** Patterns that are to be gone for good, on demand. */
import type { Hono } from "hono";
import { PatterndError } from "../errors.ts";
import { Zone } from "../pattern/zone.ts";
import type { Filter } from "../store/filter.ts";
import { parseQuery, REPEATABLE } from "../store/query.ts";
import { parametersOf } from "./parameters.ts";

export interface ForgetOrder {
  readonly ids: readonly string[];
  /** Undefined where only ids are named. */
  readonly filter: Filter | undefined;
}

/** Resolves to what became of it, as it is answered. */
export type Forget = (wanted: ForgetOrder, isDry: boolean) => Promise<object>;

export function forgetRoutes(app: Hono, forget: Forget): Hono {
  app.post("/v1/forget", async (c) => {
    const parameters = parametersOf(c, new Set([...REPEATABLE, "id"]));
    const report = await forget(...parseForget(parameters));
    return new Response(`${JSON.stringify(report)}\n`, { headers: { "content-type": "application/json" } });
  });
  return app;
}

function parseForget(parameters: object): [ForgetOrder, boolean] {
  const { id, dryRun, ...asked }: Record<string, unknown> = { ...parameters };
  for (const name of ["limit", "cursor"])
    if (Object.hasOwn(asked, name)) throw badRequest(`unknown parameter ${name}`);
  if (dryRun !== undefined && dryRun !== "true" && dryRun !== "false")
    throw badRequest("dryRun: expected true or false");
  const ids = Array.isArray(id) ? id.map(String) : [];
  const isFiltered = Object.keys(asked).length > 0;
  if (!isFiltered && ids.length === 0)
    throw badRequest("expected an id or a filter: everything is never meant");
  const filter = isFiltered ? parseQuery(asked, Zone.host()).filter : undefined;
  return [{ ids, filter }, dryRun === "true"];
}

function badRequest(message: string): PatterndError {
  return new PatterndError("bad_request", message);
}
