/**
 * The write queue: lines from any number of senders, parsed and written in batches.
 *
 * While the backend is idle a line is written as soon as the event loop has read what came with it (or, with
 * maxDelayMs, that much later); while it is busy the next batch grows, and is parsed meanwhile. A batch ends at
 * `maxBatch` lines or `BATCH_BYTES`. Lines are settled in the order in which they were put, after everything before
 * them and their own batch is durable (settling.ts says who waits for rejected ones). A failing backend is tried again until it works or the queue is abandoned:
 * nothing is dropped, and senders are held back once `maxBytes` are waiting.
 */
import type { RejectedLine } from "../pattern/rejection.ts";
import type { Entry, Outcome, ReceivedLine, Sender, Settlement } from "../pattern/settlement.ts";
import { missing, notStorable, type Parsed } from "./batch.ts";
import { Counts } from "./counts.ts";
import { retryDelayMs } from "./retry.ts";
import { Settling } from "./settling.ts";

const BATCH_BYTES = 8 * 1024 * 1024;
/** What a line costs beside its bytes, roughly. */
const LINE_OVERHEAD_BYTES = 400;

/** What the queue depends on, and which may fail for a while. */
export type Part = "store" | "rejected";
export const PARTS: readonly Part[] = ["store", "rejected"];

/** `Patterns` is whatever `parse` makes and `write` takes: the queue does not look into it. */
export interface QueueOptions<Patterns> {
  readonly maxBatch: number;
  readonly maxDelayMs: number;
  readonly maxBytes: number;
  readonly parse: (lines: readonly ReceivedLine[]) => Promise<Parsed<Patterns>>;
  /** Durable when it resolves: one outcome for each of the batch's patterns, which are used up, even by a failure. */
  readonly write: (patterns: Patterns) => Promise<readonly Outcome[]>;
  /** Durable when it resolves. */
  readonly keepRejected: (lines: readonly RejectedLine[]) => Promise<void>;
  /** Whether an error of `write` means that one of the patterns will never be taken. */
  readonly isRefusal: (error: unknown) => boolean;
  readonly onNotCollected: (type: string) => void;
  readonly onFailed: (part: Part, error: unknown) => void;
  readonly onRecovered: (part: Part) => void;
  /** Something that must not happen did: the queue has stopped for good. */
  readonly onDefect: (error: unknown) => void;
  readonly onFlushed: (batch: { lines: number; bytes: number; ms: number }) => void;
}

const SETTLED = {
  stored: { kind: "stored" },
  replaced: { kind: "replaced" },
  superseded: { kind: "superseded" },
  not_collected: { kind: "not_collected" },
} as const satisfies Record<string, Settlement>;

interface Queued {
  readonly sender: Sender;
  readonly entry: Entry;
  readonly bytes: number;
}

interface Batch {
  readonly queued: readonly Queued[];
  readonly lines: readonly ReceivedLine[];
  readonly bytes: number;
}

export class WriteQueue<Patterns> {
  readonly counts = new Counts();
  readonly #options: QueueOptions<Patterns>;
  #waiting: Queued[] = [];
  #waitingBytes = 0;
  #inFlightBytes = 0;
  /** Lines so far: put, and those of which it is known what becomes of them. */
  #put = 0;
  #decided = 0;
  #running: Promise<void> | undefined;
  #abandoned = false;
  readonly #wakes = new Set<() => void>();
  #endDelay: (() => void) | undefined;
  readonly #failures = new Map<Part, unknown>();
  readonly #settling: Settling;
  readonly #onRoom = new Set<() => void>();
  #flushing: { readonly upTo: number; readonly resolve: () => void }[] = [];

  constructor(options: QueueOptions<Patterns>) {
    this.#options = options;
    this.#settling = new Settling({
      keep: async (lines) =>
        (await this.#insist("rejected", async () => {
          await options.keepRejected(lines);
          return true;
        })) ?? false,
      onSettled: ({ settlement, bytes }) => {
        this.counts.settle(settlement);
        this.#inFlightBytes -= bytes;
      },
      onRoom: () => this.#callBack(),
      onDefect: (error) => this.#stopForGood(error),
    });
  }

  /** Senders are to stop reading until `onRoom` calls back. */
  get isFull(): boolean {
    return this.#waitingBytes + this.#inFlightBytes >= this.#options.maxBytes;
  }

  /** Why a part does not take what is waiting; undefined while it works. */
  failure(part: Part): unknown {
    return this.#failures.get(part);
  }

  put(sender: Sender, entry: Entry): void {
    const bytes =
      LINE_OVERHEAD_BYTES + (entry.kind === "line" ? entry.bytes.length : entry.line.bytes.length);
    this.counts.put(sender.origin);
    this.#put += 1;
    this.#waiting.push({ sender, entry, bytes });
    this.#waitingBytes += bytes;
    this.#running ??= this.#run();
    if (this.#waiting.length >= this.#options.maxBatch || this.#waitingBytes >= BATCH_BYTES)
      this.#endDelay?.();
  }

  /** Calls back once, when there is room again. */
  onRoom(callback: () => void): void {
    this.#onRoom.add(callback);
  }

  /** Resolves when everything that was put before is settled or abandoned. */
  async flush(): Promise<void> {
    if (this.#decided < this.#put && !this.#abandoned) {
      this.#endDelay?.();
      await new Promise<void>((resolve) => this.#flushing.push({ upTo: this.#put, resolve }));
    }
    if (!this.#abandoned) await this.#settling.settled();
  }

  /** Gives up what is waiting: no more attempts, and nothing of it is settled. */
  abandon(): void {
    this.#abandoned = true;
    for (const wake of this.#wakes) wake();
    this.#settling.abandon();
    this.#endFlushes(Number.POSITIVE_INFINITY);
  }

  /** One batch is written while the next one is parsed. */
  async #run(): Promise<void> {
    try {
      await this.#pause(this.#options.maxDelayMs, "delay");
      let finishing = Promise.resolve(true);
      // Nothing may be awaited between the last look at what waits and the end.
      while (this.#waiting.length > 0 && !this.#abandoned) {
        const batch = this.#take();
        const [parsed] = await Promise.all([this.#options.parse(batch.lines), finishing]);
        finishing = this.#finish(batch, parsed);
        if (this.#waiting.length === 0) await finishing;
      }
      this.#running = undefined;
    } catch (error) {
      this.#stopForGood(error);
    }
  }

  /** A defect: the queue stands still, and nothing more is acknowledged. */
  #stopForGood(error: unknown): void {
    this.abandon();
    this.#options.onDefect(error);
  }

  #take(): Batch {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && count < this.#options.maxBatch && bytes < BATCH_BYTES) {
      bytes += this.#waiting[count]?.bytes ?? 0;
      count += 1;
    }
    this.#waitingBytes -= bytes;
    this.#inFlightBytes += bytes;
    const queued = this.#waiting.splice(0, count);
    const lines: ReceivedLine[] = [];
    for (const { entry } of queued) if (entry.kind === "line") lines.push(entry);
    return { queued, lines, bytes };
  }

  /** Whether the batch was placed: an abandoned one is not. */
  async #finish({ queued, lines, bytes }: Batch, parsed: Parsed<Patterns>): Promise<boolean> {
    const started = performance.now();
    const results = (await this.#store(lines, parsed))?.values();
    if (!results) return false;
    const decided = queued.map(({ sender, entry, bytes }) => {
      const settlement: Settlement = entry.kind === "line" ? (results.next().value ?? missing()) : entry;
      return { sender, settlement, bytes };
    });
    this.#decided += queued.length;
    this.#options.onFlushed({ lines: queued.length, bytes, ms: performance.now() - started });
    this.#settling.add(decided);
    this.#endFlushes(this.#decided);
    return true;
  }

  /**
   * What became of each line; undefined if the queue was abandoned first. A batch that can't be written because of
   * one pattern is halved until that one is found.
   */
  async #store(lines: readonly ReceivedLine[], first: Parsed<Patterns>): Promise<Settlement[] | undefined> {
    let parsed = first;
    let isUsed = false;
    const write = async (): Promise<readonly Outcome[]> => {
      // What is refused may depend on the clock: the parse that was written is the one that counts.
      if (isUsed) parsed = await this.#options.parse(lines);
      isUsed = true;
      return parsed.refused.size < lines.length ? this.#options.write(parsed.patterns) : [];
    };
    try {
      const outcomes = await this.#insist("store", write);
      return outcomes && this.#settlements(lines, parsed, outcomes);
    } catch (error) {
      const [line, second] = lines;
      if (line && !second) return [{ kind: "rejected", line: notStorable(line, parsed.firstId, error) }];
      const middle = lines.length >> 1;
      const before = await this.#again(lines.slice(0, middle));
      const after = before && (await this.#again(lines.slice(middle)));
      return before && after && [...before, ...after];
    }
  }

  async #again(lines: readonly ReceivedLine[]): Promise<Settlement[] | undefined> {
    return this.#store(lines, await this.#options.parse(lines));
  }

  #settlements(
    lines: readonly ReceivedLine[],
    { refused }: Parsed<Patterns>,
    outcomes: readonly Outcome[],
  ): Settlement[] {
    const next = outcomes.values();
    return lines.map((line, index) => {
      const refusal = refused.get(index);
      if (!refusal) return SETTLED[next.next().value ?? missing()];
      if (refusal.kind === "rejection") {
        return { kind: "rejected", line: { rejection: refusal.rejection, bytes: line.bytes } };
      }
      this.#options.onNotCollected(refusal.type);
      return SETTLED.not_collected;
    });
  }

  /** Tries until it works, the pattern is refused (throws) or the queue is abandoned (undefined). */
  async #insist<T>(part: Part, step: () => Promise<T>): Promise<T | undefined> {
    for (let failures = 1; !this.#abandoned; failures += 1) {
      try {
        const result = await step();
        if (this.#failures.delete(part)) this.#options.onRecovered(part);
        return result;
      } catch (error) {
        if (this.#options.isRefusal(error)) throw error;
        if (!this.#failures.has(part)) this.#options.onFailed(part, error);
        this.#failures.set(part, error);
        await this.#pause(retryDelayMs(failures), "failure");
      }
    }
    return undefined;
  }

  /** A delay ends early for a flush or a full batch; the wait after a failure only when the queue is abandoned. */
  async #pause(ms: number, reason: "delay" | "failure"): Promise<void> {
    let wake = () => {};
    await new Promise<void>((resolve) => {
      const timer = ms > 0 ? setTimeout(resolve, ms) : undefined;
      if (!timer) setImmediate(resolve);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#wakes.add(wake);
      if (reason === "delay") this.#endDelay = wake;
    });
    this.#wakes.delete(wake);
    if (reason === "delay") this.#endDelay = undefined;
  }

  #endFlushes(settled: number): void {
    const ended = this.#flushing.filter(({ upTo }) => upTo <= settled);
    this.#flushing = this.#flushing.filter(({ upTo }) => upTo > settled);
    for (const { resolve } of ended) resolve();
  }

  #callBack(): void {
    if (this.isFull || this.#waitingBytes > this.#options.maxBytes / 2) return;
    const callbacks = [...this.#onRoom];
    this.#onRoom.clear();
    for (const callback of callbacks) callback();
  }
}
