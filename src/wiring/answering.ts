/** What the daemon says of itself and does on demand, over the query and the control socket, put together. */

import type { Config } from "../config/load.ts";
import { MAX_DAYS } from "../config/schema.ts";
import type { Health } from "../control/health.ts";
import { HeldPages } from "../control/held-pages.ts";
import type { Answers } from "../control/routes.ts";
import { ControlServer } from "../control/server.ts";
import { SharedStore } from "../control/shared-store.ts";
import { Stopping } from "../control/stopping.ts";
import { isStopping, messageOf } from "../errors.ts";
import type { Outbox } from "../ingest/outbox.ts";
import type { IngestServer } from "../ingest/server.ts";
import { errorFields, type Log } from "../log.ts";
import type { RejectedLines } from "../queue/rejected/rejected.ts";
import type { Spool } from "../queue/spool/spool.ts";
import type { ThreadedStore } from "../store/thread.ts";
import type { Jobs } from "../upkeep/jobs.ts";
import { VERSION } from "../version.ts";
import type { Observers } from "./observers.ts";
import type { rejectedOrders } from "./rejecting.ts";
import { forgetOrder } from "./upkeeping.ts";
import { failing, type PatternQueue, troubles } from "./writing.ts";

export interface Answering {
  readonly config: Config;
  readonly log: Log;
  readonly store: ThreadedStore;
  readonly queue: PatternQueue;
  readonly spool: Spool;
  readonly rejected: RejectedLines;
  readonly orders: ReturnType<typeof rejectedOrders>;
  readonly jobs: Jobs;
  /** Undefined before they are opened. */
  readonly ingest: () => IngestServer | undefined;
  readonly outbox: () => Outbox | undefined;
  readonly observers: Observers;
}

export function answersOf(parts: Answering): Answers {
  const { config, log, store, queue, spool, rejected, orders, jobs, ingest, outbox, observers } = parts;
  const about = aboutDaemon(config, store);
  const health = (): Health => ({
    ...about,
    ...stateOf([
      ...troubles(queue),
      ...troublesOf(outbox()),
      ...(jobs.trouble === undefined ? [] : [jobs.trouble]),
    ]),
    connections: ingest()?.connections ?? 0,
    lines: queue.counts.snapshot(),
    rejected: { path: rejected.folder, ...rejected.held },
    spool: { lines: spool.lines, bytes: spool.bytes },
    jobs: jobs.status(),
  });
  return {
    store: new SharedStore(store),
    pages: new HeldPages(),
    ...observers.answers({
      health,
      failing: () => failing(queue),
      queueBytes: () => queue.bytes,
      jobFigures: () => jobs.status(),
    }),
    health,
    flush: () => queue.flush(),
    rejected: orders,
    jobs: { run: (job, asked) => jobs.run(job, asked), maxDays: MAX_DAYS },
    forget: forgetOrder({ config, store, queue, spool, review: orders.review, log }),
    stopping: new Stopping(),
    onStopped: (order) => log("warn", "request.stopped", { request: order }),
    onFailed: (error) => {
      // Who is asked for something while the daemon stops has not failed.
      if (!isStopping(error)) log("error", "request.failed", errorFields(error));
    },
  };
}

/** `release` is told how to end each. */
export async function serveAnswers(
  answers: Answers,
  config: Config,
  release: (stop: () => Promise<void> | void) => void,
): Promise<void> {
  const routes = () => import("../control/routes.ts");
  for (const [load, place] of [
    [async () => (await routes()).queryRoutes(answers), config.query],
    [async () => (await routes()).controlRoutes(answers), config.control],
  ] as const) {
    const server = await ControlServer.listen({ load, onFailed: answers.onFailed }, place);
    release(() => {
      answers.stopping.tell();
      return server.stop();
    });
  }
}

function aboutDaemon(
  config: Config,
  store: ThreadedStore,
): Pick<Health, "version" | "pid" | "started" | "store"> {
  return {
    version: VERSION,
    pid: process.pid,
    started: new Date().toISOString(),
    store: { backend: config.backend, path: config.path, timezone: store.metadata.timezone },
  };
}

function troublesOf(outbox: Outbox | undefined): string[] {
  return outbox?.failure === undefined ? [] : [`the outbox can't be taken in: ${messageOf(outbox.failure)}`];
}

function stateOf(reasons: readonly string[]): Pick<Health, "status" | "reasons"> {
  return { status: reasons.length === 0 ? "ready" : "degraded", reasons };
}
