/**
 * The write queue: lines from any number of senders, parsed and placed in batches.
 *
 * While the store is idle a line is written as soon as the event loop has read what came with it (or, with
 * maxDelayMs, at most that much later); while it is busy the next batch grows, and is parsed meanwhile. A batch ends
 * at `maxBatch` lines or `BATCH_BYTES`. Lines are settled in the order in which they were put, after everything before
 * them and their own batch is durable: in the store, or in the spool when the store does not take it (placement.ts);
 * settling.ts says who waits for rejected ones. Nothing is dropped: senders are held back, or turned away, when there
 * is no place left.
 */
import type { Admission, Entry, Sender, Settlement } from "../pattern/settlement.ts";
import type { Parse, Parsed } from "./batch.ts";
import { Counts } from "./counts.ts";
import type { KeepRejected } from "./keeping.ts";
import { Overflow, type OverflowOptions } from "./overflow.ts";
import { Placement } from "./placement.ts";
import { Progress } from "./progress.ts";
import { Condition, Late, Pause } from "./retry.ts";
import { Settling } from "./settling.ts";
import type { Spool } from "./spool/spool.ts";
import { StoreWriter, type StoreWriterOptions } from "./store-writer.ts";
import { type Batch, Waiting } from "./waiting.ts";

const BATCH_BYTES = 8 * 1024 * 1024;

/** What the queue depends on, and which may fail for a while. */
export type Part = "store" | "spool" | "draining" | "rejected";
export const PARTS: readonly Part[] = ["store", "spool", "draining", "rejected"];

/** `Patterns` is whatever `parse` makes and `write` takes: the queue does not look into it. */
export interface QueueOptions<Patterns>
  extends StoreWriterOptions<Patterns>,
    Pick<OverflowOptions<Patterns>, "bind" | "onDrained"> {
  readonly maxBatch: number;
  readonly maxDelayMs: number;
  readonly maxBytes: number;
  readonly spool: Spool;
  readonly parse: Parse<Patterns>;
  readonly keepRejected: KeepRejected;
  readonly onNotCollected: (type: string) => void;
  readonly onSpooling: (spool: { lines: number; bytes: number }) => void;
  readonly onFailed: (part: Part, error: unknown) => void;
  readonly onRecovered: (part: Part) => void;
  /** Something that must not happen did: the queue has stopped for good. */
  readonly onDefect: (error: unknown) => void;
  readonly onFlushed: (batch: { lines: number; bytes: number; ms: number }) => void;
}

export class WriteQueue<Patterns> {
  readonly counts = new Counts();
  readonly #options: QueueOptions<Patterns>;
  readonly #conditions: Readonly<Record<Part, Condition>>;
  readonly #overflow: Overflow<Patterns>;
  readonly #placement: Placement<Patterns>;
  readonly #settling: Settling;
  readonly #delay = new Pause();
  /** Of lines up to where it is known what becomes of them. */
  readonly #progress = new Progress();
  readonly #waiting = new Waiting();
  #inFlightBytes = 0;
  #running: Promise<void> | undefined;
  readonly #onAdmission = new Set<() => void>();

  constructor(options: QueueOptions<Patterns>) {
    this.#options = options;
    const condition = (part: Part, changesAdmission: boolean) => {
      const tell = () => {
        if (changesAdmission) this.#tellAdmission();
      };
      return new Condition(
        (error) => {
          options.onFailed(part, error);
          tell();
        },
        () => {
          options.onRecovered(part);
          tell();
        },
        tell,
      );
    };
    this.#conditions = {
      store: condition("store", false),
      spool: condition("spool", true),
      draining: condition("draining", false),
      rejected: condition("rejected", true),
    };
    const { store, spool, draining, rejected } = this.#conditions;
    const writer = new StoreWriter(options, store);
    this.#overflow = new Overflow({
      ...options,
      writer,
      counts: this.counts,
      rejecting: rejected,
      draining,
      onStarted: options.onSpooling,
      onRoom: () => this.#placement.retry(),
      onDefect: (error) => this.#stopForGood(error),
    });
    this.#placement = new Placement({
      ...options,
      writer,
      overflow: this.#overflow,
      storing: store,
      draining,
      spooling: spool,
    });
    this.#settling = new Settling({
      ...options,
      rejecting: rejected,
      onSettled: ({ settlements, bytes }) => {
        for (const settlement of settlements) {
          this.counts.settle(settlement);
          if (settlement.kind === "not_collected") options.onNotCollected(settlement.type);
        }
        this.#inFlightBytes -= bytes;
      },
      onKept: () => this.#tellRoom(),
      onDefect: (error) => this.#stopForGood(error),
    });
  }

  /** Begins to drain what an earlier daemon left in the spool. */
  start(): void {
    this.#overflow.start();
  }

  get admission(): Admission {
    const { maxBytes } = this.#options;
    const isFull = this.bytes >= maxBytes;
    const spooling = this.failure("spool");
    // One that is late may have a place yet for what still fits in here.
    const isBlocked = spooling !== undefined && (isFull || !(spooling instanceof Late));
    const isFullOfRejected = this.failure("rejected") !== undefined && this.#settling.lateBytes >= maxBytes;
    if (isBlocked || isFullOfRejected) return "closed";
    return isFull ? "full" : "open";
  }

  /** What everything takes that is not settled yet. */
  get bytes(): number {
    return this.#waiting.bytes + this.#inFlightBytes;
  }

  /** Why a part does not do what it should; undefined while it does. */
  failure(part: Part): unknown {
    return this.#conditions[part].failure;
  }

  put(sender: Sender, entry: Entry): void {
    const lines = this.#waiting.put(sender, entry);
    this.counts.put(sender.origin, lines);
    this.#progress.come(lines);
    this.#running ??= this.#run();
    const isEnough = this.#waiting.fills(this.#options.maxBatch, BATCH_BYTES);
    // Whoever is held back waits for the writer: no more comes.
    if (isEnough || this.admission !== "open") this.#delay.end();
  }

  /** Calls back once, when admission has changed, or is about to be open again, unless what it returns is called before. */
  onAdmission(callback: () => void): () => void {
    this.#onAdmission.add(callback);
    return () => this.#onAdmission.delete(callback);
  }

  /** Resolves when everything that was put before is settled or abandoned. */
  async flush(): Promise<void> {
    this.#delay.end();
    await this.#progress.whenDone();
    await this.#settling.settled();
  }

  /** From now on nothing waits for the store: what is not in it goes to the spool. */
  hurry(): void {
    this.#placement.hurry();
  }

  /** Gives up what is waiting: no more attempts, and nothing of it is settled. */
  abandon(): void {
    this.#delay.endForGood();
    this.#placement.abandon();
    this.#settling.abandon();
    this.#progress.giveUp();
  }

  /** Leaves in the spool what is there. */
  stopDraining(): void {
    this.#overflow.stop();
  }

  /** Resolves when the spool is not touched any more: after `stopDraining`, once the store answers or is closed. */
  get drainingStopped(): Promise<void> {
    return this.#overflow.stopped;
  }

  /** One batch is written while the next one is parsed. */
  async #run(): Promise<void> {
    try {
      await this.#delay.wait(this.#options.maxDelayMs);
      let finishing = Promise.resolve();
      // Nothing may be awaited between the last look at what waits and the end.
      while (this.#waiting.bytes > 0 && !this.#delay.isOver) {
        const batch = this.#waiting.take(this.#options.maxBatch, BATCH_BYTES);
        this.#inFlightBytes += batch.bytes;
        const [parsed] = await Promise.all([this.#options.parse(batch.lines), finishing]);
        finishing = this.#finish(batch, parsed);
        if (this.#waiting.bytes === 0) await finishing;
      }
      this.#waiting.trim();
      this.#running = undefined;
    } catch (error) {
      this.#stopForGood(error);
    }
  }

  /** A defect: the queue stands still, and nothing more is acknowledged. */
  #stopForGood(error: unknown): void {
    this.abandon();
    this.stopDraining();
    this.#options.onDefect(error);
  }

  async #finish({ queued, lines, bytes }: Batch, parsed: Parsed<Patterns>): Promise<void> {
    const started = performance.now();
    const placed = await this.#placement.place(lines, parsed);
    if (!placed) return;
    let at = 0;
    const decided = queued.map(({ sender, entry, lines: count, bytes }) => {
      if (entry.kind === "rejected") return { sender, settlements: [entry], bytes };
      const settlements = placed.settlements.slice(at, at + count).map(ofItsOwn);
      at += count;
      if (placed.isOver) entry.held.release();
      return { sender, settlements, bytes };
    });
    this.#settling.add(decided);
    const count = queued.reduce((sum, one) => sum + one.lines, 0);
    this.#options.onFlushed({ lines: count, bytes, ms: performance.now() - started });
    this.#tellRoom();
    this.#progress.done(count);
  }

  #tellRoom(): void {
    if (this.#waiting.bytes <= this.#options.maxBytes / 2) this.#tellAdmission();
  }

  #tellAdmission(): void {
    const callbacks = [...this.#onAdmission];
    this.#onAdmission.clear();
    for (const callback of callbacks) callback();
  }
}

/** What is kept of a refused line must not lie where others will. */
function ofItsOwn(settlement: Settlement): Settlement {
  if (settlement.kind !== "rejected") return settlement;
  return { kind: "rejected", line: { ...settlement.line, bytes: Buffer.from(settlement.line.bytes) } };
}
