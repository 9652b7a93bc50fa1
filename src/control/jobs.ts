/** Deletion and compression on demand. */
import type { Hono } from "hono";
import * as v from "valibot";
import { PatterndError } from "../errors.ts";
import { parametersOf } from "./parameters.ts";

export interface JobOrders {
  /** Resolves to what became of it, as it is answered. `days`: in place of the configured ones, of a retention. */
  readonly run: (
    job: "retention" | "compression",
    asked: { readonly isDry: boolean; readonly days?: number | undefined },
  ) => Promise<object>;
  /** The most days that may be asked for. */
  readonly maxDays: number;
}

const dryRun = v.optional(v.picklist(["true", "false"], "expected true or false"));
export const jobSchemas = {
  retention: v.strictObject({ dryRun, days: v.optional(v.string()) }),
  compression: v.strictObject({ dryRun }),
};

export function jobRoutes(app: Hono, orders: JobOrders): Hono {
  app.post("/v1/jobs/retention", async (c) => {
    const { dryRun, days } = parse("retention", parametersOf(c));
    const asked = { isDry: dryRun === "true", days: parseDays(days, orders.maxDays) };
    return answer(await orders.run("retention", asked));
  });
  app.post("/v1/jobs/compression", async (c) => {
    const { dryRun } = parse("compression", parametersOf(c));
    return answer(await orders.run("compression", { isDry: dryRun === "true" }));
  });
  return app;
}

function parse<Job extends keyof typeof jobSchemas>(job: Job, parameters: object) {
  const schema = jobSchemas[job];
  const unknown = Object.keys(parameters).find((name) => !Object.hasOwn(schema.entries, name));
  if (unknown !== undefined) throw badRequest(`unknown parameter ${unknown}`);
  const result = v.safeParse(jobSchemas.retention, parameters);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw badRequest(`${v.getDotPath(issue)}: ${issue.message}`);
}

function parseDays(text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const days = /^\d{1,6}(\.\d{1,9})?$/.test(text) ? Number(text) : 0;
  if (days > 0 && days <= most) return days;
  throw badRequest(`days: expected a number above 0, at most ${most}; got ${JSON.stringify(text)}`);
}

function answer(report: object): Response {
  return new Response(`${JSON.stringify(report)}\n`, { headers: { "content-type": "application/json" } });
}

function badRequest(message: string): PatterndError {
  return new PatterndError("bad_request", message);
}
