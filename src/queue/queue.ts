/**
 * The write queue: lines from any number of senders, written in batches, one batch at a time.
 *
 * While the backend is idle a line is written as soon as the event loop has read what came with it (or, with
 * maxDelayMs, that much later); while it is busy the next batch grows. A batch ends at `maxBatch` lines or
 * `BATCH_BYTES`. Lines are settled in the order in which they were put, after everything before them and their
 * own batch is durable. A failing backend is tried again until it works or the queue is abandoned: nothing is
 * dropped, and senders are held back once `maxBytes` are waiting.
 */
import { messageOf, PatterndError } from "../errors.ts";
import type { Pattern } from "../pattern/pattern.ts";
import type { RejectedLine } from "../pattern/rejection.ts";
import type { Entry, Outcome, Sender, Settlement } from "../pattern/settlement.ts";
import { Counts } from "./counts.ts";
import { retryDelayMs } from "./retry.ts";

const BATCH_BYTES = 8 * 1024 * 1024;
/** What a line costs beside its bytes, roughly. */
const LINE_OVERHEAD_BYTES = 400;

export interface QueueOptions {
  readonly maxBatch: number;
  readonly maxDelayMs: number;
  readonly maxBytes: number;
  /** Durable when it resolves. */
  readonly write: (patterns: readonly Pattern[]) => Promise<readonly Outcome[]>;
  /** Durable when it resolves. */
  readonly keepRejected: (lines: readonly RejectedLine[]) => Promise<void>;
  /** Whether an error of `write` means that one of the patterns will never be taken. */
  readonly isRefusal: (error: unknown) => boolean;
  readonly onFailed: (error: unknown) => void;
  readonly onRecovered: () => void;
  readonly onFlushed: (batch: { lines: number; bytes: number; ms: number }) => void;
}

interface Queued {
  readonly sender: Sender;
  readonly entry: Entry;
  readonly bytes: number;
}

export class WriteQueue {
  readonly counts = new Counts();
  readonly #options: QueueOptions;
  #waiting: Queued[] = [];
  #waitingBytes = 0;
  #inFlightBytes = 0;
  #running: Promise<void> | undefined;
  #abandoned = false;
  #wake: (() => void) | undefined;
  #failure: unknown;
  readonly #onRoom = new Set<() => void>();

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Senders are to stop reading until `onRoom` calls back. */
  get isFull(): boolean {
    return this.#waitingBytes + this.#inFlightBytes >= this.#options.maxBytes;
  }

  /** Why the backend does not take what is waiting; undefined while it works. */
  get failure(): unknown {
    return this.#failure;
  }

  put(sender: Sender, entry: Entry): void {
    const bytes = LINE_OVERHEAD_BYTES + sizeOf(entry);
    this.counts.received += 1;
    this.#waiting.push({ sender, entry, bytes });
    this.#waitingBytes += bytes;
    this.#running ??= this.#run();
  }

  /** Calls back once, when there is room again. */
  onRoom(callback: () => void): void {
    this.#onRoom.add(callback);
  }

  /** Resolves when everything that was put is settled or abandoned. */
  async flush(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Gives up what is waiting: no more attempts, and nothing of it is settled. */
  abandon(): void {
    this.#abandoned = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    await this.#pause(this.#options.maxDelayMs);
    while (this.#waiting.length > 0 && !this.#abandoned) {
      const batch = this.#take();
      const started = performance.now();
      await this.#settle(batch);
      if (this.#abandoned) break;
      const bytes = this.#inFlightBytes;
      this.#inFlightBytes = 0;
      this.#options.onFlushed({ lines: batch.length, bytes, ms: performance.now() - started });
      this.#callBack();
    }
    this.#running = undefined;
  }

  #take(): Queued[] {
    let count = 0;
    while (
      count < this.#waiting.length &&
      count < this.#options.maxBatch &&
      this.#inFlightBytes < BATCH_BYTES
    ) {
      this.#inFlightBytes += this.#waiting[count]?.bytes ?? 0;
      count += 1;
    }
    this.#waitingBytes -= this.#inFlightBytes;
    return this.#waiting.splice(0, count);
  }

  async #settle(batch: readonly Queued[]): Promise<void> {
    const patterns = batch.flatMap(({ entry }) => (entry.kind === "pattern" ? [entry.pattern] : []));
    const results = (await this.#store(patterns)).values();
    if (this.#abandoned) return;
    const settlements = batch.map(({ entry }): Settlement => {
      if (entry.kind === "not_collected") return { kind: "not_collected" };
      if (entry.kind === "rejected") return { kind: "rejected", line: entry.line };
      return results.next().value ?? missing();
    });
    const rejected = settlements.flatMap((settlement) =>
      settlement.kind === "rejected" ? [settlement.line] : [],
    );
    if (rejected.length > 0) await this.#insist(() => this.#options.keepRejected(rejected));
    if (this.#abandoned) return;
    const senders = new Set<Sender>();
    for (const [index, settlement] of settlements.entries()) {
      this.counts.settle(settlement);
      const sender = batch[index]?.sender;
      sender?.settle(settlement);
      if (sender) senders.add(sender);
    }
    for (const sender of senders) sender.flushed();
  }

  /** A batch that can't be written because of one pattern is halved until that one is found. */
  async #store(patterns: readonly Pattern[]): Promise<Settlement[]> {
    const [first] = patterns;
    if (!first || this.#abandoned) return [];
    try {
      const outcomes = await this.#insist(() => this.#options.write(patterns));
      return (outcomes ?? []).map((kind) => ({ kind }));
    } catch (error) {
      if (patterns.length > 1) {
        const middle = patterns.length >> 1;
        return [
          ...(await this.#store(patterns.slice(0, middle))),
          ...(await this.#store(patterns.slice(middle))),
        ];
      }
      return [{ kind: "rejected", line: notStorable(first, error) }];
    }
  }

  /** Tries until it works, the pattern is refused (throws) or the queue is abandoned (undefined). */
  async #insist<T>(step: () => Promise<T>): Promise<T | undefined> {
    for (let failures = 1; !this.#abandoned; failures += 1) {
      try {
        const result = await step();
        if (this.#failure !== undefined) this.#options.onRecovered();
        this.#failure = undefined;
        return result;
      } catch (error) {
        if (this.#options.isRefusal(error)) throw error;
        if (this.#failure === undefined) this.#options.onFailed(error);
        this.#failure = error;
        await this.#pause(retryDelayMs(failures));
      }
    }
    return undefined;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms > 0 ? setTimeout(resolve, ms) : undefined;
      if (!timer) setImmediate(resolve);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #callBack(): void {
    if (this.#onRoom.size === 0 || this.#waitingBytes > this.#options.maxBytes / 2) return;
    const callbacks = [...this.#onRoom];
    this.#onRoom.clear();
    for (const callback of callbacks) callback();
  }
}

function sizeOf(entry: Entry): number {
  if (entry.kind === "pattern") return entry.pattern.line.byteLength;
  return entry.kind === "rejected" ? entry.line.bytes.byteLength : 0;
}

function missing(): never {
  throw new PatterndError("internal", "a backend answered a batch with fewer outcomes than it has patterns");
}

function notStorable({ id, line }: Pattern, error: unknown): RejectedLine {
  const message = `the store refuses this pattern: ${messageOf(error)}`;
  return { rejection: { code: "not_storable", message, patternId: id }, bytes: line };
}
