/** What the control socket is told to do with the rejected lines that are kept. */
import type { Hono } from "hono";
import * as v from "valibot";
import { PatterndError } from "../errors.ts";
import type { RejectedFilter } from "../pattern/rejection.ts";
import { parseBound, TIMESTAMP_FORM } from "../pattern/timestamp.ts";
import { Zone } from "../pattern/zone.ts";
import { parametersOf } from "./parameters.ts";

export interface RejectedOrders {
  /** Resolves to what became of them, as it is answered. A dry run changes nothing. */
  readonly replay: (filter: RejectedFilter, isDry: boolean) => Promise<object>;
  readonly purge: (filter: RejectedFilter, isDry: boolean) => Promise<object>;
}

const text = v.pipe(v.string(), v.nonEmpty("expected text, got an empty string"));
export const orderSchema = v.strictObject({
  code: v.optional(text),
  startDate: v.optional(text),
  endDate: v.optional(text),
  dryRun: v.optional(v.picklist(["true", "false"], "expected true or false")),
});

export function rejectedRoutes(app: Hono, orders: RejectedOrders): Hono {
  for (const order of ["replay", "purge"] as const) {
    app.post(`/v1/rejected/${order}`, async (c) => {
      const { filter, isDry } = parseOrder(parametersOf(c), Zone.host());
      return c.body(`${JSON.stringify(await orders[order](filter, isDry))}\n`, 200, {
        "content-type": "application/json",
      });
    });
  }
  return app;
}

/** @throws PatterndError `bad_request`, naming the parameter. `zone`: for dates without one. */
export function parseOrder(parameters: object, zone: Zone): { filter: RejectedFilter; isDry: boolean } {
  const unknown = Object.keys(parameters).find((name) => !Object.hasOwn(orderSchema.entries, name));
  if (unknown !== undefined) throw badRequest(`unknown parameter ${unknown}`);
  const result = v.safeParse(orderSchema, parameters);
  if (!result.success) {
    const [issue] = result.issues;
    throw badRequest(`${v.getDotPath(issue)}: ${issue.message}`);
  }
  const { code, startDate, endDate, dryRun } = result.output;
  const bound = (name: string, value: string, side: "start" | "end") => {
    const instant = parseBound(value, zone, side);
    if (instant !== undefined) return instant;
    throw badRequest(`${name}: expected ${TIMESTAMP_FORM}, got ${JSON.stringify(value)}`);
  };
  const filter = {
    ...(code === undefined ? {} : { code }),
    ...(startDate === undefined ? {} : { since: bound("startDate", startDate, "start") }),
    ...(endDate === undefined ? {} : { until: bound("endDate", endDate, "end") }),
  };
  return { filter, isDry: dryRun === "true" };
}

function badRequest(message: string): PatterndError {
  return new PatterndError("bad_request", message);
}
