/**
 * The composition root: the only place that knows more than one stage. Parts are started in the data's order
 * and stopped in reverse, each by the release that it left behind when it started.
 */
import type { Config } from "./config/load.ts";
import type { Health } from "./control/health.ts";
import { type Answers, controlRoutes, queryRoutes } from "./control/routes.ts";
import { ControlServer } from "./control/server.ts";
import { messageOf } from "./errors.ts";
import { Outbox } from "./ingest/outbox.ts";
import { IngestServer } from "./ingest/server.ts";
import { type CountedEvent, CountedEvents, createLog, errorFields, type Log, type LogEvent } from "./log.ts";
import { BatchParser } from "./pattern/batch-parser.ts";
import type { PackedPatterns } from "./pattern/pack.ts";
import { PARTS, type Part, WriteQueue } from "./queue/queue.ts";
import type { RejectedLines } from "./queue/rejected.ts";
import { expireHourly, rejectedLines, rejectedOrders } from "./rejecting.ts";
import { NotStorable, type StoreRepair } from "./store/backend.ts";
import { openInThreads, type ThreadedStore } from "./store/thread.ts";
import { VERSION } from "./version.ts";

export interface Daemon {
  readonly log: Log;
  /** Resolves when the daemon can't go on: a defect, or a thread that ended. It is to be stopped then. */
  readonly failed: Promise<unknown>;
  /** Finishes what is on its way, within `shutdown.timeoutMs`. Resolves to the exit status. Idempotent. */
  stop(reason: string): Promise<number>;
}

/** How each part of the queue is spoken of: when it begins to fail, when it works again, and in `/health`. */
const SAID: Readonly<Record<Part, { failed: LogEvent; recovered: LogEvent; reason: string }>> = {
  store: { failed: "backend.failed", recovered: "backend.recovered", reason: "lines can't be written" },
  rejected: {
    failed: "rejected.failed",
    recovered: "rejected.recovered",
    reason: "rejected lines can't be kept",
  },
};

type Release = () => Promise<void> | void;
type Count = (event: CountedEvent, kind: string) => void;

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
): Promise<WriteQueue<readonly PackedPatterns[]>> {
  const counted = new CountedEvents(log);
  releases.push(() => counted.close());
  const count: Count = (event, kind) => counted.add(event, kind);

  const store = await openStore(config, log, fail);
  releases.push(() => store.close());
  const parser = startParser(config, store);
  releases.push(() => parser.close());
  const rejected = rejectedLines(config, log);
  releases.push(expireHourly(rejected, log));
  const queue = createQueue(config, store, parser, rejected, log, count, fail);
  const orders = rejectedOrders(config, rejected, queue, parser, log);

  const started = new Date().toISOString();
  let ingest: IngestServer | undefined;
  const answers: Answers = {
    store,
    health: () => healthOf(config, store, queue, rejected, ingest?.connections ?? 0, started),
    flush: () => queue.flush(),
    rejected: orders,
    onFailed: (error) => log("error", "request.failed", errorFields(error)),
  };
  for (const [app, { socket, mode }] of [
    [queryRoutes(answers), config.query],
    [controlRoutes(answers), config.control],
  ] as const) {
    const server = await ControlServer.listen(app, socket, mode);
    releases.push(() => server.stop());
  }

  releases.push(() => ingest?.destroy());
  releases.push(() => finishWriting(queue, config.shutdown.timeoutMs));
  ingest = await listenForPatterns(config, queue, log, count);
  releases.push(() => ingest?.stop(config.shutdown.timeoutMs));
  releases.push(() => orders.stop());
  const outbox = takeInOutbox(config, queue, log);
  releases.push(() => outbox.stop());
  await outbox.start();

  log("info", "daemon.started", {
    version: VERSION,
    pid: process.pid,
    config: config.file ?? "defaults",
    ingest: config.ingest.socket,
    query: config.query.socket,
    control: config.control.socket,
  });
  return queue;
}

async function stop(
  reason: string,
  queue: WriteQueue<readonly PackedPatterns[]>,
  log: Log,
  releases: Release[],
): Promise<number> {
  log("info", "daemon.stopping", { reason });
  const clean = await releaseAll(releases, log);
  const { in_flight: abandoned, ...lines } = queue.counts.snapshot();
  log(abandoned === 0 ? "info" : "error", "daemon.stopped", { ...lines, abandoned });
  return clean && abandoned === 0 ? 0 : 1;
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

/** Ends with the time at the latest, even if the store never answers again. */
async function finishWriting(queue: WriteQueue<readonly PackedPatterns[]>, timeoutMs: number): Promise<void> {
  const giveUp = setTimeout(() => queue.abandon(), timeoutMs);
  await queue.flush();
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

function createQueue(
  config: Config,
  store: ThreadedStore,
  parser: BatchParser,
  rejected: RejectedLines,
  log: Log,
  count: Count,
  fail: (error: unknown) => void,
): WriteQueue<readonly PackedPatterns[]> {
  return new WriteQueue({
    ...config.queue,
    parse: (lines) => parser.parse(lines),
    write: (patterns) => store.write(patterns),
    isRefusal: (error) => error instanceof NotStorable,
    keepRejected: async (lines) => {
      await rejected.keep(lines);
      for (const { rejection } of lines) count("pattern.rejected", rejection.code);
    },
    onNotCollected: (type) => count("pattern.not_collected", type),
    onDefect: fail,
    onFailed: (part, error) => log("error", SAID[part].failed, errorFields(error)),
    onRecovered: (part) => log("info", SAID[part].recovered),
    onFlushed: (batch) => log("debug", "flush.done", { ...batch, ms: Math.round(batch.ms * 10) / 10 }),
  });
}

function listenForPatterns(
  config: Config,
  sink: WriteQueue<readonly PackedPatterns[]>,
  log: Log,
  count: Count,
): Promise<IngestServer> {
  return IngestServer.listen({
    ...config.ingest,
    server: `patternd/${VERSION}`,
    sink,
    onRefused: () => count("connection.refused", "over ingest.maxConnections"),
    onReplyDropped: () => count("reply.dropped", "over 64 KiB"),
    onFailed: (error) => log("debug", "connection.failed", errorFields(error)),
  });
}

function takeInOutbox(config: Config, sink: WriteQueue<readonly PackedPatterns[]>, log: Log): Outbox {
  return new Outbox({
    ...config.outbox,
    maxLineBytes: config.ingest.maxLineBytes,
    sink,
    onTaken: (file) => log("info", "outbox.taken", file),
    onRefused: (entry) => log("warn", "outbox.refused", entry),
    onFailed: (error) => log("error", "outbox.failed", errorFields(error)),
  });
}

function healthOf(
  config: Config,
  store: ThreadedStore,
  queue: WriteQueue<readonly PackedPatterns[]>,
  rejected: RejectedLines,
  connections: number,
  started: string,
): Health {
  const reasons = PARTS.flatMap((part) => {
    const failure = queue.failure(part);
    return failure === undefined ? [] : [`${SAID[part].reason}: ${messageOf(failure)}`];
  });
  return {
    status: reasons.length === 0 ? "ready" : "degraded",
    reasons,
    version: VERSION,
    pid: process.pid,
    started,
    store: { backend: config.backend, path: config.path, timezone: store.metadata.timezone },
    connections,
    lines: queue.counts.snapshot(),
    rejected: { path: rejected.folder, ...rejected.held },
  };
}
