/** Once a minute, what a busy daemon did; nothing from a quiet one. */
import type { Log } from "../log.ts";
import type { LineCounts } from "../pattern/settlement.ts";

const MINUTE_MS = 60_000;
const TOLD = [
  "received",
  "from_outbox",
  "replayed",
  "stored",
  "replaced",
  "superseded",
  "rejected",
  "not_collected",
] as const satisfies (keyof LineCounts)[];

export class Summary {
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  readonly #counts: () => LineCounts;
  #before: LineCounts;
  #batches = 0;
  #slowestMs = 0;

  constructor(log: Log, counts: () => LineCounts) {
    this.#log = log;
    this.#counts = counts;
    this.#before = counts();
    this.#timer = setInterval(() => this.#tell(), MINUTE_MS);
    this.#timer.unref();
  }

  flushed({ ms }: { ms: number }): void {
    this.#batches += 1;
    this.#slowestMs = Math.max(this.#slowestMs, ms);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#tell();
  }

  /** Only what is not zero, so that the line stays short. */
  #tell(): void {
    const now = this.#counts();
    const told = TOLD.map((kind) => [kind, now[kind] - this.#before[kind]] as const).filter(
      ([, n]) => n !== 0,
    );
    this.#before = now;
    if (told.length === 0) return;
    const slowest_ms = Math.round(this.#slowestMs * 10) / 10;
    const spooled = now.spooled === 0 ? {} : { spooled: now.spooled };
    this.#log("info", "flush.summary", {
      ...Object.fromEntries(told),
      ...spooled,
      batches: this.#batches,
      slowest_ms,
    });
    this.#batches = 0;
    this.#slowestMs = 0;
  }
}
