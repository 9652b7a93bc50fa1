/**
 * The way around a store that does not take what comes: into the spool, and from there into the store, oldest
 * first. As long as there is anything in the spool whatever comes goes behind it: of two versions with the same
 * instant the one that was received last has to be written last.
 */

import { Lines } from "../pattern/lines.ts";
import type { Settlement } from "../pattern/settlement.ts";
import type { Parse } from "./batch.ts";
import type { Counts } from "./counts.ts";
import { type KeepRejected, keepAmong } from "./keeping.ts";
import { achieve, type Condition, insist, Pause } from "./retry.ts";
import type { Spool, SpooledLines } from "./spool/spool.ts";
import type { StoreWriter } from "./store-writer.ts";

/** The store's condition is its writer's to tell. */
const TOLD_ELSEWHERE = { failed: () => {}, works: () => {} };

export interface OverflowOptions<Patterns> {
  readonly spool: Spool;
  readonly writer: StoreWriter<Patterns>;
  readonly counts: Counts;
  readonly maxBatch: number;
  /** Like `parse`, for lines that were accepted before: nothing is judged again. */
  readonly bind: Parse<Patterns>;
  readonly keepRejected: KeepRejected;
  /** Whether rejected lines can be kept. */
  readonly rejecting: Condition;
  /** Whether lines leave the spool, but for the store's part in it. */
  readonly draining: Condition;
  readonly onStarted: (spool: { lines: number; bytes: number }) => void;
  readonly onDrained: (drained: { lines: number; ms: number }) => void;
  /** There is more room in the spool, or nothing left in it. */
  readonly onRoom: () => void;
  readonly onDefect: (error: unknown) => void;
}

export class Overflow<Patterns> {
  readonly #options: OverflowOptions<Patterns>;
  readonly #pause = new Pause();
  #draining: Promise<void> | undefined;

  constructor(options: OverflowOptions<Patterns>) {
    this.#options = options;
  }

  /** Whether lines have to go this way. */
  get isActive(): boolean {
    return this.#draining !== undefined || !this.#options.spool.isEmpty;
  }

  /** Resolves when nothing of the spool is touched any more. */
  get stopped(): Promise<void> {
    return this.#draining ?? Promise.resolve();
  }

  /** Drains what an earlier daemon left. */
  start(): void {
    this.#options.counts.foundInSpool(this.#options.spool.lines);
    if (!this.#options.spool.isEmpty) this.#begin(undefined);
  }

  /** What is in the spool stays there, but for what is being written at the moment. */
  stop(): void {
    this.#pause.endForGood();
  }

  /**
   * Durable when it resolves. `writing`: the store has had these lines for a while, and may still answer; nothing
   * else is in the spool then, and nothing else is written before it does.
   *
   * Rejects as `Spool.append` does.
   */
  async take(lines: Lines, writing: Promise<readonly Settlement[]> | undefined): Promise<void> {
    const { spool, counts } = this.#options;
    await spool.append(
      Array.from(lines, ({ bytes }) => bytes),
      { alone: writing !== undefined },
    );
    counts.spool(lines.length);
    if (!this.#draining) this.#begin(writing);
  }

  #begin(writing: Promise<readonly Settlement[]> | undefined): void {
    const { spool, onStarted, onDefect } = this.#options;
    onStarted({ lines: spool.lines, bytes: spool.bytes });
    this.#draining = this.#drain(writing).catch(onDefect);
  }

  async #drain(writing: Promise<readonly Settlement[]> | undefined): Promise<void> {
    const { spool, draining, onDrained, onRoom } = this.#options;
    const started = performance.now();
    let lines = 0;
    if (writing) lines += await this.#adopt(writing);
    // Nothing may be awaited between the last look at the spool and the end.
    while (!spool.isEmpty && !this.#pause.isOver) {
      const file = await insist(() => spool.next(), this.#pause, draining);
      if (file && (await this.#store(file))) lines += file.lines.length;
    }
    this.#draining = undefined;
    if (spool.isEmpty) onDrained({ lines, ms: Math.round(performance.now() - started) });
    onRoom();
  }

  /** The oldest file holds exactly what is being written: how many lines, if the store takes them after all. */
  async #adopt(writing: Promise<readonly Settlement[]>): Promise<number> {
    let settlements: readonly Settlement[];
    try {
      settlements = await writing;
    } catch {
      return 0;
    }
    const file = await this.#options.spool.oldest();
    if (!file || !(await this.#settle(settlements))) return 0;
    await this.#remove({ file, missing: 0, isDamaged: false });
    return settlements.length;
  }

  /** Whether the whole file is stored and gone. */
  async #store(file: SpooledLines): Promise<boolean> {
    const { writer, bind, maxBatch, counts } = this.#options;
    for (let start = 0; start < file.lines.length; start += maxBatch) {
      const some = file.lines.slice(start, start + maxBatch);
      const lines = Lines.of(some.map((bytes) => ({ bytes, terminated: true })));
      const write = async () => writer.write(lines, await bind(lines), bind);
      const settlements = await insist(write, this.#pause, TOLD_ELSEWHERE);
      if (!settlements || !(await this.#settle(settlements))) return false;
    }
    counts.damaged(file.missing);
    return this.#remove(file);
  }

  async #settle(settlements: readonly Settlement[]): Promise<boolean> {
    const { counts, keepRejected, rejecting, draining } = this.#options;
    const keeping = both(rejecting, draining);
    if (!(await keepAmong(settlements, keepRejected, this.#pause, keeping))) return false;
    for (const settlement of settlements) counts.unspool(settlement);
    return true;
  }

  async #remove(file: Omit<SpooledLines, "lines">): Promise<boolean> {
    const { spool, draining, onRoom } = this.#options;
    const isRemoved = await achieve(() => spool.remove(file), this.#pause, draining);
    if (isRemoved) onRoom();
    return isRemoved;
  }
}

function both(one: Condition, other: Condition): Pick<Condition, "failed" | "works"> {
  return {
    failed: (error) => {
      one.failed(error);
      other.failed(error);
    },
    works: () => {
      one.works();
      other.works();
    },
  };
}
