/**
 * A daemon under a service manager: what it is doing, in words and figures, and that it is alive. Alive means that
 * the event loop turns and that the store answers, if only with an error: what fails is degraded, and a restart would
 * not help; what no longer answers is stuck, and is left to the manager's watchdog.
 */
import type { Environment } from "../config/places.ts";
import type { Notify } from "./notify.ts";

/** How often figures are told when there is no watchdog to feed. */
const STATUS_MS = 10_000;
/** A stop that goes on asks for more time this often, for so long each. */
const EXTEND_MS = 2_000;
const EXTENSION_US = 10_000_000;

export interface Supervised {
  /** One line for `systemctl status`. */
  status(): string;
  /** Resolves when everything that must answer has answered. */
  answers(): Promise<void>;
}

export class Supervisor {
  readonly #notify: Notify;
  readonly #beatMs: number;
  readonly #isWatched: boolean;
  #timer: NodeJS.Timeout | undefined;
  #daemon: Supervised | undefined;
  #isAsking = false;
  #said = "";

  constructor(env: Environment, notify: Notify, pid = process.pid) {
    this.#notify = notify;
    const isOurs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === pid;
    const watchdogMs = isOurs ? Number(env.WATCHDOG_USEC ?? 0) / 1_000 : 0;
    this.#isWatched = watchdogMs > 0;
    // A call may take half the interval. With a quarter between two questions, that is always soon enough.
    this.#beatMs = this.#isWatched ? watchdogMs / 4 : STATUS_MS;
  }

  async ready(daemon: Supervised): Promise<void> {
    this.#daemon = daemon;
    this.#timer = setInterval(() => this.#beat(), this.#beatMs);
    this.#timer.unref();
    await this.#notify("READY=1", ...this.#status());
  }

  /** Then `ready` again, whatever came of it. */
  async reloading(): Promise<void> {
    clearInterval(this.#timer);
    const monotonicUs = process.hrtime.bigint() / 1_000n;
    await this.#notify("RELOADING=1", `MONOTONIC_USEC=${monotonicUs}`, "STATUS=reading the configuration");
  }

  /** From now on asks for the time that it takes, until the process ends, or for so long. */
  stopping(longestMs: number): void {
    clearInterval(this.#timer);
    const watchdog = this.#isWatched ? ["WATCHDOG=1"] : [];
    const extend = () => this.#notify(`EXTEND_TIMEOUT_USEC=${EXTENSION_US}`, ...watchdog);
    void this.#notify("STOPPING=1", "STATUS=storing what is on its way");
    // At once: the manager may give little time.
    void extend();
    // The watchdog goes on while a daemon stops.
    const timer = setInterval(extend, Math.min(EXTEND_MS, this.#beatMs)).unref();
    setTimeout(() => clearInterval(timer), longestMs).unref();
  }

  /** The next question waits for the answer to this one. */
  async #beat(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      await this.#daemon?.answers();
      const status = this.#status();
      if (this.#isWatched) await this.#notify("WATCHDOG=1", ...status);
      else if (status.length > 0) await this.#notify(...status);
    } finally {
      this.#isAsking = false;
    }
  }

  /** Only if there is news. */
  #status(): string[] {
    const status = `STATUS=${this.#daemon?.status()}`;
    if (status === this.#said) return [];
    this.#said = status;
    return [status];
  }
}
