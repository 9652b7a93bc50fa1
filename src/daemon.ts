/**
 * The composition root: the only place that knows more than one stage. Parts are started in the data's order
 * and stopped in reverse, each by the release that it left behind when it started.
 */
import { type Answering, Asking } from "./asking.ts";
import { boundHourly } from "./bounds.ts";
import type { Config } from "./config/load.ts";
import { MAX_DAYS } from "./config/schema.ts";
import type { Health } from "./control/health.ts";
import { affordableConnections } from "./ingest/descriptors.ts";
import { Outbox } from "./ingest/outbox.ts";
import { IngestServer } from "./ingest/server.ts";
import { CountedEvents, createLog, errorFields, type Log } from "./log.ts";
import { BatchParser } from "./pattern/batch-parser.ts";
import { expireHourly, rejectedLines, rejectedOrders } from "./rejecting.ts";
import type { StoreRepair } from "./store/backend.ts";
import { openInThreads, type ThreadedStore } from "./store/thread.ts";
import type { Jobs } from "./upkeep/jobs.ts";
import { forgetOrder, upkeepJobs } from "./upkeeping.ts";
import { VERSION } from "./version.ts";
import {
  type Count,
  closeSpool,
  createQueue,
  failing,
  openSpool,
  type PatternQueue,
  troubles,
} from "./writing.ts";

export interface Daemon {
  readonly log: Log;
  /** Resolves when the daemon can't go on: a defect, or a thread that ended. It is to be stopped then. */
  readonly failed: Promise<unknown>;
  /** Finishes what is on its way, within `shutdown.timeoutMs`. Resolves to the exit status. Idempotent. */
  stop(reason: string): Promise<number>;
}

type Release = () => Promise<void> | void;

/** @throws PatterndError when a part can't be started; everything started before it is released again. */
export async function startDaemon(config: Config): Promise<Daemon> {
  const log = createLog(config.log);
  const releases: Release[] = [];
  let onFailed: (error: unknown) => void = () => {};
  const failed = new Promise<unknown>((resolve) => {
    onFailed = resolve;
  });
  try {
    const queue = await start(config, log, releases, (error) => {
      log("error", "daemon.failed", errorFields(error));
      onFailed(error);
    });
    let stopping: Promise<number> | undefined;
    return {
      log,
      failed,
      stop(reason) {
        stopping ??= stop(reason, queue, log, releases);
        return stopping;
      },
    };
  } catch (error) {
    log("error", "daemon.failed", errorFields(error));
    await releaseAll(releases, log);
    throw error;
  }
}

/** The door opens last, when all that stands behind it is there. */
async function start(
  config: Config,
  log: Log,
  releases: Release[],
  fail: (error: unknown) => void,
): Promise<PatternQueue> {
  const counted = new CountedEvents(log);
  releases.push(() => counted.close());
  const asking = new Asking(fail);
  const count = asking.counting(counted);

  let releaseSpool: Release = () => {};
  releases.push(() => releaseSpool());
  let upkeep: Jobs | undefined;
  releases.push(() => upkeep?.ended());
  const store = await openStore(config, log, fail);
  releases.push(() => store.close());
  const parser = startParser(config, store);
  releases.push(() => parser.close());
  const { spool, lock } = await openSpool(config, log);
  releaseSpool = () => lock.release();
  const rejected = rejectedLines(config, log);
  releases.push(expireHourly(rejected, log));
  releases.push(boundHourly(config, log));
  const queue = createQueue({ config, store, parser, spool, rejected, asking, log, count, fail });
  releaseSpool = () => closeSpool(queue, spool, lock);
  releases.push(() => queue.stopDraining());
  queue.start();

  const orders = rejectedOrders(config, rejected, queue, parser, log);
  const jobs = upkeepJobs(config, store, log);
  upkeep = jobs;
  const about = aboutDaemon(config, store);
  let ingest: IngestServer | undefined;
  const answering: Answering = {
    store,
    health: () => ({
      ...about,
      ...stateOf([...troubles(queue), ...(jobs.trouble === undefined ? [] : [jobs.trouble])]),
      connections: ingest?.connections ?? 0,
      lines: queue.counts.snapshot(),
      rejected: { path: rejected.folder, ...rejected.held },
      spool: { lines: spool.lines, bytes: spool.bytes },
      jobs: jobs.status(),
    }),
    flush: () => queue.flush(),
    rejected: orders,
    jobs: { run: (job, asked) => jobs.run(job, asked), maxDays: MAX_DAYS },
    forget: forgetOrder({ config, store, queue, spool, review: orders.review, log }),
    onFailed: (error) => log("error", "request.failed", errorFields(error)),
    failing: () => failing(queue),
    jobFigures: () => jobs.status(),
  };
  await asking.serve(config, answering, log, releases);

  releases.push(() => ingest?.destroy());
  releases.push(() => finishWriting(queue, config.shutdown.timeoutMs));
  ingest = await listenForPatterns(config, queue, log, count);
  releases.push(() => ingest?.stop(config.shutdown.timeoutMs));
  releases.push(() => orders.stop());
  const outbox = takeInOutbox(config, queue, log);
  releases.push(() => outbox.stop());
  await outbox.start();
  releases.push(() => jobs.stop());
  jobs.start();

  logStarted(config, log);
  return queue;
}

function logStarted(config: Config, log: Log): void {
  log("info", "daemon.started", {
    version: VERSION,
    pid: process.pid,
    config: config.file ?? "defaults",
    ingest: config.ingest.socket,
    query: config.query.socket,
    control: config.control.socket,
  });
}

async function stop(reason: string, queue: PatternQueue, log: Log, releases: Release[]): Promise<number> {
  log("info", "daemon.stopping", { reason });
  const clean = await releaseAll(releases, log);
  const { in_flight: abandoned, ...lines } = queue.counts.snapshot();
  log(abandoned === 0 ? "info" : "error", "daemon.stopped", { ...lines, abandoned });
  // A store that fails can hardly be closed in peace, and needs not be: what it has not taken is in the spool.
  const isClosed = clean || queue.failure("store") !== undefined;
  return isClosed && abandoned === 0 ? 0 : 1;
}

/** In reverse, each whatever became of the others. */
async function releaseAll(releases: Release[], log: Log): Promise<boolean> {
  let clean = true;
  for (let release = releases.pop(); release; release = releases.pop()) {
    try {
      await release();
    } catch (error) {
      clean = false;
      log("error", "daemon.failed", errorFields(error));
    }
  }
  return clean;
}

/** How long what the store did not take in time has for its way into the spool. */
const SPOOLING_MS = 2_000;

/** Ends soon after the time at the latest, even if neither the store nor the spool's disk ever answers again. */
async function finishWriting(queue: PatternQueue, timeoutMs: number): Promise<void> {
  const hurry = setTimeout(() => queue.hurry(), timeoutMs);
  const giveUp = setTimeout(() => queue.abandon(), timeoutMs + SPOOLING_MS);
  await queue.flush();
  clearTimeout(hurry);
  clearTimeout(giveUp);
}

async function openStore(config: Config, log: Log, fail: (error: unknown) => void): Promise<ThreadedStore> {
  const options = {
    path: config.path,
    durability: config.durability,
    timezone: config.timezone,
    readOnly: false,
    holder: `patternd ${VERSION}`,
    onRepair: (repair: StoreRepair) => log("warn", "store.repaired", { ...repair }),
  };
  const store = await openInThreads(config.backend, options, fail);
  const { timezone, format } = store.metadata;
  log("info", "store.opened", { backend: config.backend, path: config.path, timezone, format });
  return store;
}

function startParser(config: Config, store: ThreadedStore): BatchParser {
  const switchedOff = Object.entries(config.collect).filter(([, collected]) => !collected);
  return new BatchParser({
    zone: store.metadata.timezone,
    types: config.types,
    notCollected: new Set(switchedOff.map(([type]) => type)),
  });
}

function listenForPatterns(
  config: Config,
  sink: PatternQueue,
  log: Log,
  count: Count,
): Promise<IngestServer> {
  const maxConnections = affordableConnections(config.ingest.maxConnections);
  if (maxConnections < config.ingest.maxConnections) log("warn", "connection.limited", { maxConnections });
  return IngestServer.listen({
    ...config.ingest,
    maxConnections,
    server: `patternd/${VERSION}`,
    sink,
    onRefused: () => count("connection.refused", "over ingest.maxConnections"),
    onTurnedAway: () => count("connection.refused", "no place for its lines"),
    onReplyDropped: () => count("reply.dropped", "over 64 KiB"),
    onFailed: (error) => log("debug", "connection.failed", errorFields(error)),
  });
}

function takeInOutbox(config: Config, sink: PatternQueue, log: Log): Outbox {
  return new Outbox({
    ...config.outbox,
    maxLineBytes: config.ingest.maxLineBytes,
    sink,
    onTaken: (file) => log("info", "outbox.taken", file),
    onRefused: (entry) => log("warn", "outbox.refused", entry),
    onFailed: (error) => log("error", "outbox.failed", errorFields(error)),
  });
}

function stateOf(reasons: readonly string[]): Pick<Health, "status" | "reasons"> {
  return { status: reasons.length === 0 ? "ready" : "degraded", reasons };
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
