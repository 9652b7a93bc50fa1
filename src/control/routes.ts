/** What the query socket answers, and the control socket beside it (docs/protocol.md). */
import { type Context, Hono } from "hono";
import * as v from "valibot";
import { isStopping, PatterndError } from "../errors.ts";
import { Zone } from "../pattern/zone.ts";
import { statsAnswer } from "../store/answers.ts";
import { parseAnalysis, REPEATABLE } from "../store/query.ts";
import type { Followers } from "./followers.ts";
import { type Forget, forgetRoutes } from "./forget.ts";
import type { Health } from "./health.ts";
import type { HeldPages } from "./held-pages.ts";
import { type JobOrders, jobRoutes } from "./jobs.ts";
import { NDJSON } from "./outgoing.ts";
import { parametersOf } from "./parameters.ts";
import { patterns } from "./patterns.ts";
import { problemOf, problemResponse } from "./problem.ts";
import { type RejectedOrders, rejectedRoutes } from "./rejected.ts";
import type { SharedStore } from "./shared-store.ts";
import type { Stopping } from "./stopping.ts";
import { tail } from "./tail.ts";

export interface Answers {
  readonly store: SharedStore;
  readonly pages: HeldPages;
  readonly followers: Followers;
  readonly health: () => Health;
  /** In Prometheus' text format. */
  readonly metrics: () => Promise<{ readonly text: string; readonly contentType: string }>;
  /** Resolves when everything that was received before is settled. */
  readonly flush: () => Promise<void>;
  readonly rejected: RejectedOrders;
  readonly jobs: JobOrders;
  readonly forget: Forget;
  readonly stopping: Stopping;
  readonly onFailed: (error: unknown) => void;
  /** Told of an order that the daemon's stop ends, as `POST /v1/forget`. */
  readonly onStopped: (order: string) => void;
}

/** Reading only: whatever the path, nothing but GET (and HEAD) is allowed. */
export function queryRoutes(answers: Answers): Hono {
  const app = newRoutes(answers);
  app.use(async (c, next) => {
    if (c.req.method === "GET" || c.req.method === "HEAD") return next();
    const problem = problemOf(
      new PatterndError("bad_request", `expected GET on this socket, got ${c.req.method}`),
    );
    const response = problemResponse({ ...problem, status: 405 });
    response.headers.set("allow", "GET, HEAD");
    return response;
  });
  return readingRoutes(app, answers);
}

export function controlRoutes(answers: Answers): Hono {
  const app = readingRoutes(newRoutes(answers), answers);
  app.post("/v1/flush", async () => {
    await answers.flush();
    return json({ lines: answers.health().lines });
  });
  rejectedRoutes(app, answers.rejected);
  jobRoutes(app, answers.jobs);
  return forgetRoutes(app, answers.forget);
}

/** Of a body nothing is read: what it says, `dryRun` for one, must not be passed over. */
function newRoutes({ stopping }: Answers): Hono {
  const app = new Hono({ getPath: rawPath });
  app.use(async (c, next) => {
    const { "content-length": length = "0", "transfer-encoding": encoding } = c.req.header();
    if (Number(length) === 0 && encoding === undefined) return next();
    throw new PatterndError("bad_request", "expected parameters in the URL, and no body");
  });
  app.use((_, next) => stopping.unlessTold(next()));
  return app;
}

function readingRoutes(app: Hono, answers: Answers): Hono {
  const storeFor = (c: Context) => answers.store.for(c.req.raw.signal);
  app.get("/health", () => json(answers.health()));
  app.get("/metrics", async () => {
    const { text, contentType } = await answers.metrics();
    return new Response(text, { headers: { "content-type": contentType } });
  });
  app.get("/v1/stats", async (c) => json(statsAnswer(await storeFor(c).stats())));
  app.get("/v1/tail", (c) => tail(c, { ...answers, store: storeFor(c) }));
  app.get("/v1/patterns", (c) => patterns(c, { ...answers, store: storeFor(c) }));
  app.get("/v1/patterns/:id", async (c) => {
    const id = c.req.param("id");
    const line = await storeFor(c).get(id);
    if (line === undefined) throw new PatterndError("not_found", `there is no pattern ${JSON.stringify(id)}`);
    return new Response(`${line}\n`, { headers: { "content-type": NDJSON } });
  });
  app.get("/v1/analysis", async (c) => {
    const { filter, periods } = parseAnalysis(parametersOf(c, REPEATABLE), Zone.host());
    return json(await storeFor(c).analyse(filter, periods));
  });
  return withErrors(app, answers);
}

/** The form that proxies use, which servers must take, too (RFC 9112, 3.2.2). */
const WITH_AUTHORITY = /^https?:\/\/[^/]*/i;
const bindings = v.object({ incoming: v.object({ url: v.string() }) });

/** As it was sent: a URL's parser would take the ids `.` and `..` for steps in the path. */
function rawPath(request: Request, options?: { env?: unknown }): string {
  const sent = v.safeParse(bindings, options?.env);
  const [path] = sent.success ? sent.output.incoming.url.split("?", 1) : [new URL(request.url).pathname];
  return path?.replace(WITH_AUTHORITY, "") || "/";
}

function withErrors(app: Hono, { onFailed, onStopped }: Answers): Hono {
  const stopped = new WeakSet<Request>();
  app.notFound((c) => {
    const { method, path } = c.req;
    const message = `there is no ${method} ${path} on this socket`;
    return problemResponse(problemOf(new PatterndError("not_found", message)));
  });
  app.onError((error, c) => {
    const { method, path, raw } = c.req;
    // Once its asker is told, the order itself may end.
    if (isStopping(error) && method === "POST" && !stopped.has(raw)) {
      stopped.add(raw);
      onStopped(`${method} ${path}`);
    }
    const problem = problemOf(error);
    // What ends with its asker has not failed.
    if (problem.status >= 500 && !c.req.raw.signal.aborted) onFailed(error);
    return problemResponse(problem);
  });
  return app;
}

function json(value: object): Response {
  return new Response(`${JSON.stringify(value)}\n`, { headers: { "content-type": "application/json" } });
}
