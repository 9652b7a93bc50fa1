import pino from "pino";
import { messageOf, PatterndError, systemCode } from "./errors.ts";
import { LogOutput } from "./log-output.ts";

/** Every event that the daemon logs, with what it means: docs/operations.md lists the same ones. */
export const LOG_EVENTS = {
  "aside.overdue":
    "files that were kept aside, or the log, can't be kept in bounds; the next attempt is in an hour",
  "aside.removed": "a file that was kept aside is older than aside.days, or over aside.maxBytes: it is gone",
  "backend.failed": "the store can't be written; patternd keeps trying",
  "backend.recovered": "the store can be written again",
  "config.refused": "the configuration could not be read anew, and stays as it was; `error` says why",
  "config.reloaded":
    "the configuration was read anew: `changed` is in effect, `restart` will be after a restart",
  "connection.failed": "a connection broke before its end of file",
  "connection.limited":
    "the process may have too few files open for ingest.maxConnections: fewer connections are taken",
  "connection.refused":
    "a connection was closed: over ingest.maxConnections, or there was no place for its lines",
  "daemon.failed": "the daemon can't start or go on",
  "daemon.started": "sockets are served and the store is open",
  "daemon.stopped": "everything is flushed and closed",
  "daemon.stopping": "a signal or a caller asked the daemon to stop",
  "flush.done": "a batch became durable (debug)",
  "job.done": "a run of deletion or compression has ended; the outcome says whether it waits or is blocked",
  "job.failed": "a run of deletion or compression failed; the next one goes on where it ended",
  "job.stopped":
    "a run of deletion or compression ended as the daemon stops: one that was scheduled is due again at the next start",
  "flush.summary": "what a minute's work came to; nothing while there is none",
  "metrics.failed": "metrics.textfile can't be written; patternd keeps trying",
  "outbox.failed": "the outbox, or a file in it, can't be taken in; patternd keeps trying",
  "outbox.refused":
    "an entry of the outbox is no plain file of an emitter's and was moved aside, or was never finished and was removed",
  "outbox.taken": "a file of the outbox was taken in and removed",
  "pattern.forgotten":
    "patterns were removed for good on demand, here in numbers; their ids are refused from now on",
  "pattern.not_collected": "lines of types that are switched off, at most once a minute",
  "pattern.rejected": "lines that were refused, by code; a flood is one line every ten seconds",
  "rejected.dropped": "rejected.maxBytes was reached: the oldest kept lines are gone",
  "rejected.expired": "kept lines are older than rejected.days: their file is gone",
  "rejected.failed": "rejected lines can't be kept; patternd keeps trying, and their senders wait",
  "rejected.overdue": "files older than rejected.days can't be removed; the next attempt is in an hour",
  "rejected.purged": "kept lines were removed on demand",
  "rejected.recovered": "rejected lines can be kept again",
  "rejected.replayed": "kept lines were sent again; those that are stored now are no longer kept",
  "reply.dropped": "more than 64 KiB of replies waited for a sender; the rest was left out",
  "request.failed": "a request to the query or control socket failed inside patternd",
  "request.stopped":
    "an order was under way, or waited, as the daemon stops: what it did stays done, the rest is to be asked for again",
  "retention.blocked":
    "the clock can't be believed: scheduled deletions wait until it can, or until one is asked for",
  "retention.planned":
    "a scheduled deletion that is the first, unusually large, or after an import or a shorter retention: what will go, and when",
  "spool.blocked": "the spool is full or can't be written while it is needed: nothing is taken meanwhile",
  "spool.damaged":
    "a file of the spool did not hold what it should; its whole records are stored, it is kept aside",
  "spool.drained": "everything that was spooled is in the store",
  "spool.failed": "the spool can't be drained, and not because of the store; patternd keeps trying",
  "spool.repaired": "a write that a crash cut short was removed from a spool file and kept aside",
  "spool.started": "lines go to the spool, and from there into the store, until it is empty",
  "spool.unblocked": "there is a place for new lines again",
  "store.opened": "the store is open, with its backend, path and zone",
  "store.repaired": "a write that a crash cut short was removed from a file and kept aside",
} as const;

export type LogEvent = keyof typeof LOG_EVENTS;
export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

/** One JSON object a line, each with a stable `event`. Never the content of a pattern. */
export type Log = (level: LogLevel, event: LogEvent, fields?: LogFields) => void;

export interface LogOptions {
  readonly level: string;
  /** Standard output if null. */
  readonly file: string | null;
}

export interface OpenLog {
  readonly log: Log;
  /**
   * Another level or file from now on; the same file is opened anew.
   *
   * @throws PatterndError `log_unusable`: then everything is as it was.
   */
  change(options: LogOptions): void;
}

/** @throws PatterndError `log_unusable` */
export function createLog(options: LogOptions): OpenLog {
  const output = new LogOutput(options.file);
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    output,
  );
  return {
    log(level, event, fields = {}) {
      output.level = level;
      logger[level]({ event, ...fields });
    },
    change({ level, file }) {
      output.moveTo(file);
      logger.level = level;
    },
  };
}

/** An error as fields of a log line. */
export function errorFields(error: unknown): LogFields {
  const known = error instanceof PatterndError;
  const system = systemCode(error);
  return {
    error: messageOf(error),
    ...(known ? { code: error.code, hint: error.hint } : {}),
    ...(system === undefined ? {} : { system }),
    ...(known || !(error instanceof Error) ? {} : { stack: error.stack }),
  };
}

const SECOND_MS = 1_000;

/** Events that come in floods, with how often at most a line of each is written. */
const COUNTED = {
  "connection.refused": 10 * SECOND_MS,
  "pattern.not_collected": 60 * SECOND_MS,
  "pattern.rejected": 10 * SECOND_MS,
  "reply.dropped": 10 * SECOND_MS,
} as const satisfies Partial<Record<LogEvent, number>>;

export type CountedEvent = keyof typeof COUNTED;

interface Counting {
  counts: Record<string, number>;
  readonly timer: NodeJS.Timeout;
}

/**
 * Many of the same event as few lines: what comes within one turn of the event loop is the first line, and what
 * comes in each interval after it one more, counted by kind.
 */
export class CountedEvents {
  readonly #log: Log;
  readonly #counting = new Map<CountedEvent, Counting>();

  constructor(log: Log) {
    this.#log = log;
  }

  add(event: CountedEvent, kind: string): void {
    const counting = this.#counting.get(event) ?? this.#begin(event);
    counting.counts[kind] = (counting.counts[kind] ?? 0) + 1;
  }

  /** Writes what was counted since the last line of each event. */
  close(): void {
    for (const [event, { timer }] of this.#counting) {
      clearTimeout(timer);
      this.#write(event);
    }
    this.#counting.clear();
  }

  #begin(event: CountedEvent): Counting {
    const timer = setTimeout(() => {
      if (!this.#write(event)) this.#counting.delete(event);
      else timer.refresh();
    }, COUNTED[event]);
    timer.unref();
    setImmediate(() => this.#write(event));
    const counting = { counts: {}, timer };
    this.#counting.set(event, counting);
    return counting;
  }

  /** Whether there was anything to write. */
  #write(event: CountedEvent): boolean {
    const counting = this.#counting.get(event);
    if (!counting || Object.keys(counting.counts).length === 0) return false;
    this.#log("warn", event, { counts: counting.counts });
    counting.counts = {};
    return true;
  }
}
