/** The description of the HTTP sockets, made from the schemas that requests are parsed with. */
import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { reportSchema } from "../src/analysis/report-schema.ts";
import { forgetSchema } from "../src/cli/forget.ts";
import { jobSchema } from "../src/cli/jobs.ts";
import { purgeSchema, replaySchema } from "../src/cli/rejected-orders.ts";
import { healthSchema } from "../src/cli/status.ts";
import { jobSchemas } from "../src/control/jobs.ts";
import { problemSchema } from "../src/control/problem.ts";
import { orderSchema } from "../src/control/rejected.ts";
import { statsSchema } from "../src/store/answers.ts";
import { querySchema, REPEATABLE, tailSchema } from "../src/store/query.ts";
import { VERSION } from "../src/version.ts";

export const flushSchema = v.object({ lines: healthSchema.entries.lines });

interface Operation {
  readonly method: "get" | "post";
  readonly path: string;
  readonly summary: string;
  /** Orders are only taken by the control socket. */
  readonly controlOnly?: boolean;
  readonly parameters?: v.StrictObjectSchema<v.ObjectEntries, undefined>;
  readonly type: "application/json" | "application/x-ndjson" | "text/plain";
  readonly answer?: JsonSchema;
  readonly next?: boolean;
}

const OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/health",
    summary: "How the daemon is.",
    type: "application/json",
    answer: named("Health"),
  },
  { method: "get", path: "/metrics", summary: "Figures in Prometheus' text format.", type: "text/plain" },
  {
    method: "get",
    path: "/v1/patterns",
    summary: "Stored lines, newest first. Patternd-Next is a header; a trailer where the answer is a stream.",
    parameters: querySchema,
    type: "application/x-ndjson",
    next: true,
  },
  { method: "get", path: "/v1/patterns/{id}", summary: "One pattern's line.", type: "application/x-ndjson" },
  {
    method: "get",
    path: "/v1/analysis",
    summary: "A report on the patterns that are meant.",
    parameters: v.omit(querySchema, ["limit", "cursor"]),
    type: "application/json",
    answer: named("Report"),
  },
  {
    method: "get",
    path: "/v1/stats",
    summary: "What is stored.",
    type: "application/json",
    answer: named("Stats"),
  },
  {
    method: "get",
    path: "/v1/tail",
    summary:
      'The newest lines, the newest last, then each as it is stored; {"missed":N} where the reader was too slow.',
    parameters: tailSchema,
    type: "application/x-ndjson",
  },
  {
    method: "post",
    path: "/v1/jobs/retention",
    summary: "Deletes what is too old.",
    controlOnly: true,
    parameters: jobSchemas.retention,
    type: "application/json",
    answer: named("JobReport"),
  },
  {
    method: "post",
    path: "/v1/jobs/compression",
    summary: "Compresses old days.",
    controlOnly: true,
    parameters: jobSchemas.compression,
    type: "application/json",
    answer: named("JobReport"),
  },
  {
    method: "post",
    path: "/v1/forget",
    summary: "Removes patterns for good, by id (repeatable) or filter.",
    controlOnly: true,
    parameters: v.strictObject({
      id: v.optional(v.array(v.string())),
      ...v.omit(querySchema, ["limit", "cursor"]).entries,
      dryRun: v.optional(v.picklist(["true", "false"])),
    }),
    type: "application/json",
    answer: named("ForgetReport"),
  },
  {
    method: "post",
    path: "/v1/flush",
    summary: "Answers when everything that was received before is settled.",
    controlOnly: true,
    type: "application/json",
    answer: named("FlushReport"),
  },
  {
    method: "post",
    path: "/v1/rejected/replay",
    summary: "Sends kept rejected lines again.",
    controlOnly: true,
    parameters: orderSchema,
    type: "application/json",
    answer: named("ReplayReport"),
  },
  {
    method: "post",
    path: "/v1/rejected/purge",
    summary: "Removes kept rejected lines.",
    controlOnly: true,
    parameters: orderSchema,
    type: "application/json",
    answer: named("PurgeReport"),
  },
];

export function openApi(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS)
    paths[operation.path] = { ...paths[operation.path], [operation.method]: described(operation) };
  return {
    openapi: "3.1.0",
    info: {
      title: "patternd",
      version: VERSION,
      description: "HTTP over Unix sockets: query.sock answers GET, control.sock the same and takes orders.",
    },
    servers: [{ url: "http://patternd", description: "any host name: the socket says who answers" }],
    paths,
    components: {
      schemas: {
        Health: converted(healthSchema),
        Stats: converted(statsSchema),
        Report: converted(reportSchema),
        Problem: converted(problemSchema),
        FlushReport: converted(flushSchema),
        JobReport: converted(jobSchema),
        ForgetReport: converted(forgetSchema),
        ReplayReport: converted(replaySchema),
        PurgeReport: converted(purgeSchema),
      },
    },
  };
}

/** `GET /v1/patterns/:id`, as the routes are written. */
export function routesOf(socket: "query" | "control"): string[] {
  return OPERATIONS.filter(({ controlOnly = false }) => socket === "control" || !controlOnly)
    .map(({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`)
    .sort();
}

function described({
  path,
  summary,
  controlOnly = false,
  parameters,
  type,
  answer,
  next = false,
}: Operation): object {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const { properties = {} } = parameters ? converted(parameters) : {};
  const inQuery = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    ...(typeof schema === "object" && schema.description ? { description: schema.description } : {}),
    ...(REPEATABLE.has(name) || name === "id" ? { style: "form", explode: true } : {}),
    schema,
  }));
  const cursor = {
    description: "The cursor of what follows; absent at the end.",
    schema: { type: "string" },
  };
  return {
    summary,
    tags: controlOnly ? ["control socket"] : ["query socket", "control socket"],
    parameters: [...inPath, ...inQuery],
    responses: {
      "200": {
        description: "The answer.",
        ...(next ? { headers: { "Patternd-Next": cursor } } : {}),
        content: {
          [type]: { schema: answer ?? { type: type === "application/json" ? "object" : "string" } },
        },
      },
      default: {
        description: "What is wrong.",
        content: { "application/problem+json": { schema: named("Problem") } },
      },
    },
  };
}

function named(schema: string): JsonSchema {
  return { $ref: `#/components/schemas/${schema}` };
}

export function converted(schema: v.GenericSchema): JsonSchema {
  const { $schema, ...rest } = toJsonSchema(schema, { ignoreActions: ["check"] });
  return rest;
}
