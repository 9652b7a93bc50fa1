/** What stands between the parser and the disk, put together: queue and spool, and what they log. */
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Config } from "../config/load.ts";
import type { Followers } from "../control/followers.ts";
import type { Metrics } from "../control/metrics.ts";
import { messageOf, PatterndError } from "../errors.ts";
import type { CountedEvent, Log } from "../log.ts";
import type { BatchParser } from "../pattern/batch-parser.ts";
import type { PackedPatterns } from "../pattern/packed.ts";
import { PARTS, type Part, type QueueOptions, WriteQueue } from "../queue/queue.ts";
import type { RejectedLines } from "../queue/rejected/rejected.ts";
import { Spool } from "../queue/spool/spool.ts";
import { NotStorable } from "../store/backend.ts";
import { makeFolder } from "../store/durable.ts";
import { acquireLock, type WriterLock } from "../store/lock.ts";
import type { ThreadedStore } from "../store/thread.ts";
import { VERSION } from "../version.ts";
import { type FailureEvents, FailureLog } from "./failures.ts";

export type PatternQueue = WriteQueue<PackedPatterns>;
export type FlushedBatch = Parameters<QueueOptions<PackedPatterns>["onFlushed"]>[0];
export type Count = (event: CountedEvent, kind: string) => void;

/** How each part of the queue is spoken of: when it begins to fail, when it works again, and in `/health`. */
const SAID: Readonly<Record<Part, FailureEvents & { readonly reason: string }>> = {
  store: { failed: "backend.failed", recovered: "backend.recovered", reason: "lines can't be written" },
  spool: { failed: "spool.blocked", recovered: "spool.unblocked", reason: "lines can't be spooled" },
  draining: { failed: "spool.failed", recovered: undefined, reason: "the spool can't be drained" },
  rejected: {
    failed: "rejected.failed",
    recovered: "rejected.recovered",
    reason: "rejected lines can't be kept",
  },
};

export function failureLog(log: Log): FailureLog<Part> {
  return new FailureLog(log, SAID);
}

/** Why the daemon is degraded, for people; empty while everything works. */
export function troubles(queue: PatternQueue): string[] {
  return PARTS.flatMap((part) => {
    const failure = queue.failure(part);
    return failure === undefined ? [] : [`${SAID[part].reason}: ${messageOf(failure)}`];
  });
}

/** Which parts fail at the moment. */
export function failing(queue: PatternQueue): Record<Part, boolean> {
  const isFailing = (part: Part) => queue.failure(part) !== undefined;
  return {
    store: isFailing("store"),
    spool: isFailing("spool"),
    draining: isFailing("draining"),
    rejected: isFailing("rejected"),
  };
}

/**
 * Opens the spool for this process alone.
 *
 * @throws PatterndError `spool_locked`, `spool_unusable`, `lock_unavailable`
 */
export async function openSpool(config: Config, log: Log): Promise<{ spool: Spool; lock: WriterLock }> {
  const { spoolPath: folder, spoolBytes: maxBytes } = config.queue;
  let lock: WriterLock | undefined;
  try {
    makeFolder(folder);
    lock = acquireLock(join(folder, ".lock"), `patternd ${VERSION}`, "spool");
    const spool = await Spool.open({
      folder,
      maxBytes,
      durability: config.durability,
      onRepaired: (tail) => log("warn", "spool.repaired", { ...tail }),
      onDamaged: (damage) => log("error", "spool.damaged", { ...damage }),
    });
    return { spool, lock };
  } catch (cause) {
    lock?.release();
    if (cause instanceof PatterndError) throw cause;
    throw new PatterndError("spool_unusable", `can't use the spool ${folder}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** How long the spool's disk has to answer when all else is closed. */
const DRAINING_MS = 2_000;

/**
 * After the store is closed, which ends every write: from then on the spool may be another process's. On a disk that
 * does not answer it is left as it is, and to this process for as long as there is one.
 */
export async function closeSpool(queue: PatternQueue, spool: Spool, lock: WriterLock): Promise<void> {
  const stopped = queue.drainingStopped.then(() => true);
  if (!(await Promise.race([stopped, setTimeout(DRAINING_MS, false, { ref: false })]))) return;
  try {
    // What was abandoned may still wait for a disk that does not answer.
    if (queue.counts.snapshot().in_flight === 0) await spool.close();
  } finally {
    lock.release();
  }
}

export interface QueueParts {
  readonly config: Config;
  readonly store: ThreadedStore;
  readonly parser: BatchParser;
  readonly spool: Spool;
  readonly rejected: RejectedLines;
  readonly observers: { readonly followers: Followers; readonly metrics: Metrics };
  readonly failures: FailureLog<Part>;
  readonly log: Log;
  readonly count: Count;
  readonly fail: (error: unknown) => void;
  readonly onFlushed: (batch: FlushedBatch) => void;
}

export function createQueue(parts: QueueParts): PatternQueue {
  const { config, store, parser, spool, rejected, observers, failures, log, count, fail, onFlushed } = parts;
  const { followers, metrics } = observers;
  return new WriteQueue({
    ...config.queue,
    spool,
    parse: (lines) => parser.parse(lines),
    bind: (lines) => parser.bind(lines),
    write: (patterns) => metrics.written(() => followers.watch(patterns, (all) => store.write(all))),
    isRefusal: (error) => error instanceof NotStorable,
    keepRejected: async (lines) => {
      await rejected.keep(lines);
      for (const { rejection } of lines) count("pattern.rejected", rejection.code);
    },
    onNotCollected: (type) => count("pattern.not_collected", type),
    onSpooling: (held) => log("warn", "spool.started", held),
    onDrained: (drained) => log("info", "spool.drained", drained),
    onDefect: fail,
    onFailed: (part, error) => {
      metrics.failed(part);
      failures.failed(part, error);
    },
    onRecovered: (part) => failures.recovered(part),
    onFlushed: (batch) => {
      metrics.flushed(batch);
      onFlushed(batch);
      log("debug", "flush.done", { ...batch, ms: Math.round(batch.ms * 10) / 10 });
    },
  });
}
