/**
 * The composition root: the only place that knows more than one stage. Parts are started in the data's order
 * and stopped in reverse, each by the release that it left behind when it started.
 */

import { LiveConfig } from "./config/live.ts";
import type { Config } from "./config/load.ts";
import { statusLine } from "./control/health.ts";
import { affordableConnections } from "./ingest/descriptors.ts";
import { Outbox } from "./ingest/outbox.ts";
import { IngestServer } from "./ingest/server.ts";
import { CountedEvents, createLog, errorFields, type Log, type OpenLog } from "./log.ts";
import type { BatchMemory } from "./pattern/batch-memory.ts";
import { BatchParser } from "./pattern/batch-parser.ts";
import type { SocketPlace } from "./socket.ts";
import type { ThreadedStore } from "./store/thread.ts";
import type { Jobs } from "./upkeep/jobs.ts";
import { VERSION } from "./version.ts";
import { boundHourly } from "./wiring/bounds.ts";
import { openPlaces, type Release } from "./wiring/opening.ts";
import { expireHourly, rejectedLines, rejectedOrders } from "./wiring/rejecting.ts";
import { Summary } from "./wiring/summary.ts";
import {
  type Count,
  closeSpool,
  createQueue,
  type FlushedBatch,
  failureLog,
  type PatternQueue,
} from "./wiring/writing.ts";

export interface Daemon extends Running {
  readonly log: Log;
  /** Resolves when the daemon can't go on: a defect, or a thread that ended. It is to be stopped then. */
  readonly failed: Promise<unknown>;
  /**
   * Reads the configuration anew and opens the log file anew. If the configuration can't be used it stays as it was,
   * and the log says why. Never throws.
   */
  reload(load: () => Config): void;
  /** What a stop may take, however many disks hang. */
  readonly longestStopMs: number;
  /** Finishes what is on its way, within `shutdown.timeoutMs`. Resolves to the exit status. Idempotent. */
  stop(reason: string): Promise<number>;
}

interface Running {
  /** What it does, with the current figures, on one line. */
  status(): string;
  /** Resolves when the store has answered, if only with an error, what it was asked before. */
  answers(): Promise<void>;
}

/** @throws PatterndError when a part can't be started; everything started before it is released again. */
export async function startDaemon(config: Config): Promise<Daemon> {
  const { log, change } = createLog(config.log);
  const live = new LiveConfig(config);
  const releases: Release[] = [];
  let onFailed: (error: unknown) => void = () => {};
  const failed = new Promise<unknown>((resolve) => {
    onFailed = resolve;
  });
  try {
    const { queue, ...running } = await start(live, log, releases, (error) => {
      log("error", "daemon.failed", errorFields(error));
      onFailed(error);
    });
    let stopping: Promise<number> | undefined;
    return {
      ...running,
      log,
      failed,
      get longestStopMs() {
        return 2 * live.now.shutdown.timeoutMs + CLOSING_MS;
      },
      reload: (load) => reload(live, load, log, change),
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

/** What takes long to load is loaded while the store's thread opens the store. */
const loadParts = () =>
  Promise.all([
    import("./wiring/observers.ts"),
    import("./wiring/answering.ts"),
    import("./wiring/upkeeping.ts"),
  ]);

/** The door opens last, when all that stands behind it is there. */
async function start(
  live: LiveConfig,
  log: Log,
  releases: Release[],
  fail: (error: unknown) => void,
): Promise<Running & { readonly queue: PatternQueue }> {
  const config = live.now;
  const counted = new CountedEvents(log);
  releases.push(() => counted.close());
  const failures = failureLog(log);
  releases.push(() => failures.close());

  let upkeep: Jobs | undefined;
  const onSynced = (ms: number) => observers.metrics.synced(ms);
  const onClosed = () => upkeep?.ended();
  const opening = openPlaces({ config, log, onSynced, fail, onClosed }, releases);
  const [
    { store, memory, spool, lock, endSpoolBy },
    [{ Observers }, { answersOf, serveAnswers }, { upkeepJobs }],
  ] = await Promise.all([opening, loadParts()]);
  const observers = new Observers(fail);
  const count = observers.counting(counted);
  const parser = startParser(live, store, memory);
  releases.push(() => parser.close());
  const rejected = rejectedLines(config, log, (lines) => observers.metrics.rejectedDropped(lines));
  live.onReload((next) => rejected.bound(next.rejected));
  releases.push(expireHourly(rejected, log));
  releases.push(boundHourly(() => live.now, log));
  const onFlushed = (batch: FlushedBatch) => summary?.flushed(batch);
  const shared = { config, log, store, spool, rejected, observers };
  const queue = createQueue({ ...shared, parser, failures, count, fail, onFlushed });
  const summary = new Summary(log, () => queue.counts.snapshot());
  releases.push(() => summary.close());
  endSpoolBy(() => closeSpool(queue, spool, lock));
  releases.push(() => queue.stopDraining());
  queue.start();

  const orders = rejectedOrders(config, rejected, queue, parser, log);
  const jobs = upkeepJobs(config, store, log);
  upkeep = jobs;
  live.onReload((next) => jobs.configure(next));
  let ingest: IngestServer | undefined;
  let outbox: Outbox | undefined;
  const opened = { ingest: () => ingest, outbox: () => outbox };
  const answers = answersOf({ ...shared, ...opened, queue, orders, jobs });
  releases.push(await observers.keepTextfile(config, answers.metrics, log));
  await serveAnswers(answers, config, (stop) => releases.push(stop));

  releases.push(() => ingest?.destroy());
  releases.push(() => finishWriting(queue, live.now.shutdown.timeoutMs));
  ingest = await listenForPatterns(live, queue, log, count);
  releases.push(() => ingest?.stop(live.now.shutdown.timeoutMs));
  releases.push(() => orders.stop());
  outbox = takeInOutbox(config, queue, log);
  releases.push(() => outbox?.stop());
  await outbox.start();
  releases.push(() => jobs.stop());
  jobs.start();

  logStarted(config, log);
  return {
    queue,
    status: () => statusLine(answers.health()),
    answers: () => store.ping().catch(() => {}),
  };
}

function logStarted(config: Config, log: Log): void {
  log("info", "daemon.started", {
    version: VERSION,
    pid: process.pid,
    config: config.file ?? "defaults",
    ingest: spoken(config.ingest),
    query: spoken(config.query),
    control: spoken(config.control),
  });
}

function reload(live: LiveConfig, load: () => Config, log: Log, change: OpenLog["change"]): void {
  // The log file may have been moved away, whatever the configuration has become.
  let next = live.now;
  const refused = attempt(() => {
    next = load();
  });
  const failed = attempt(() => change(next.log)) ?? refused;
  if (failed === undefined) log("info", "config.reloaded", { ...live.reload(next) });
  else log("error", "config.refused", errorFields(failed));
}

function attempt(step: () => void): unknown {
  try {
    step();
    return undefined;
  } catch (error) {
    return error;
  }
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

function spoken({ socket, fd }: SocketPlace): string {
  return fd === undefined ? socket : `descriptor ${fd}`;
}

/** How long what the store did not take in time has for its way into the spool. */
const SPOOLING_MS = 2_000;
/** More than the store, the spool and all else have for being closed. */
const CLOSING_MS = 30_000;

/** Ends soon after the time at the latest, even if neither the store nor the spool's disk ever answers again. */
async function finishWriting(queue: PatternQueue, timeoutMs: number): Promise<void> {
  const hurry = setTimeout(() => queue.hurry(), timeoutMs);
  const giveUp = setTimeout(() => queue.abandon(), timeoutMs + SPOOLING_MS);
  await queue.flush();
  clearTimeout(hurry);
  clearTimeout(giveUp);
}

function startParser(live: LiveConfig, store: ThreadedStore, memory: BatchMemory): BatchParser {
  const options = ({ collect, types }: Config) => {
    const switchedOff = Object.entries(collect).filter(([, collected]) => !collected);
    const notCollected = new Set(switchedOff.map(([type]) => type));
    return { zone: store.metadata.timezone, types, notCollected };
  };
  const parser = new BatchParser(options(live.now), memory);
  live.onReload((next) => parser.change(options(next)));
  return parser;
}

async function listenForPatterns(
  live: LiveConfig,
  sink: PatternQueue,
  log: Log,
  count: Count,
): Promise<IngestServer> {
  const affordable = ({ ingest }: Config) => {
    const maxConnections = affordableConnections(ingest.maxConnections);
    if (maxConnections < ingest.maxConnections) log("warn", "connection.limited", { maxConnections });
    return maxConnections;
  };
  const server = await IngestServer.listen({
    ...live.now.ingest,
    maxConnections: affordable(live.now),
    server: `patternd/${VERSION}`,
    sink,
    onRefused: () => count("connection.refused", "over ingest.maxConnections"),
    onTurnedAway: () => count("connection.refused", "no place for its lines"),
    onReplyDropped: () => count("reply.dropped", "over 64 KiB"),
    onFailed: (error) => log("debug", "connection.failed", errorFields(error)),
  });
  live.onReload((next) => server.limit(affordable(next)));
  return server;
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
