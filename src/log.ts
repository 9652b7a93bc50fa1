import pino from "pino";
import { messageOf, PatterndError, systemCode } from "./errors.ts";

/** Every event that the daemon logs, with what it means: docs/operations.md lists the same ones. */
export const LOG_EVENTS = {
  "backend.failed": "the store can't be written; patternd keeps trying",
  "backend.recovered": "the store can be written again",
  "connection.failed": "a connection broke before its end of file",
  "connection.refused": "there were as many connections as ingest.maxConnections allows",
  "daemon.failed": "the daemon can't start or go on",
  "daemon.started": "sockets are served and the store is open",
  "daemon.stopped": "everything is flushed and closed",
  "daemon.stopping": "a signal or a caller asked the daemon to stop",
  "flush.done": "a batch became durable (debug)",
  "pattern.not_collected": "lines of types that are switched off, at most once a minute",
  "pattern.rejected": "lines that were refused, by code; a flood is one line every ten seconds",
  "rejected.dropped": "rejected.maxBytes was reached: the oldest kept lines are gone",
  "reply.dropped": "a sender does not read its replies, and some were left out",
  "request.failed": "a request to the query or control socket failed inside patternd",
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

/** Lines are written synchronously: what was logged before a `kill -9` is there. */
export function createLog(options: LogOptions): Log {
  const destination = pino.destination({ dest: options.file ?? 1, sync: true, mkdir: true, mode: 0o600 });
  // Nobody may be left to read the log (a closed terminal, a full disk): that must not stop the daemon.
  destination.on("error", () => {});
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return (level, event, fields = {}) => logger[level]({ event, ...fields });
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

/**
 * Many of the same event as few lines: the first at once, then at most one each interval, with what was counted
 * meanwhile by kind.
 */
export class CountedEvent {
  readonly #write: (counts: Readonly<Record<string, number>>) => void;
  readonly #intervalMs: number;
  #counts: Record<string, number> = {};
  #timer: NodeJS.Timeout | undefined;

  constructor(intervalMs: number, write: (counts: Readonly<Record<string, number>>) => void) {
    this.#intervalMs = intervalMs;
    this.#write = write;
  }

  add(kind: string, count = 1): void {
    this.#counts[kind] = (this.#counts[kind] ?? 0) + count;
  }

  /** To be called when all that belongs together was added. */
  report(): void {
    if (this.#timer || Object.keys(this.#counts).length === 0) return;
    this.#flush();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.report();
    }, this.#intervalMs);
    this.#timer.unref();
  }

  /** The last counts, however recent the last line is. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (Object.keys(this.#counts).length > 0) this.#flush();
  }

  #flush(): void {
    const counts = this.#counts;
    this.#counts = {};
    this.#write(counts);
  }
}
