/**
 * The last station of a line: its sender is told when its fate is durable, a rejected one's when it is kept.
 * While rejected lines can't be kept, the senders of such lines wait, with all that they sent since: what a sender is
 * told is in the order of its lines. Nobody else waits.
 */
import type { Sender, Settlement } from "../pattern/settlement.ts";
import { type KeepRejected, keepAmong } from "./keeping.ts";
import { Progress } from "./progress.ts";
import { type Condition, Pause } from "./retry.ts";

/** Lines of one sender, in order, of which it is known what becomes of them. */
export interface Decided {
  readonly sender: Sender;
  readonly settlements: readonly Settlement[];
  /** What they take of the queue. */
  readonly bytes: number;
}

export interface SettlingOptions {
  readonly keepRejected: KeepRejected;
  /** Whether rejected lines can be kept. */
  readonly rejecting: Pick<Condition, "failed" | "works">;
  /** Before the sender is told. */
  readonly onSettled: (lines: Decided) => void;
  /** When late ones were kept and settled. */
  readonly onKept: () => void;
  readonly onDefect: (error: unknown) => void;
}

export class Settling {
  readonly #options: SettlingOptions;
  readonly #pause = new Pause();
  /** Of late lines. */
  readonly #progress = new Progress();
  #late: Decided[] = [];
  #lateBytes = 0;
  #lateSenders = new Set<Sender>();
  #isKeeping = false;

  constructor(options: SettlingOptions) {
    this.#options = options;
  }

  /** What the lines whose senders wait take of the queue. */
  get lateBytes(): number {
    return this.#lateBytes;
  }

  /** In the order in which they were put. */
  add(lines: readonly Decided[]): void {
    for (const line of lines) if (isToBeKept(line)) this.#lateSenders.add(line.sender);
    if (this.#lateSenders.size === 0) {
      this.#settle(lines);
      return;
    }
    const late = lines.filter(({ sender }) => this.#lateSenders.has(sender));
    for (const line of late) this.#late.push(line);
    this.#lateBytes += bytesOf(late);
    this.#progress.come(countOf(late));
    this.#settle(lines.filter(({ sender }) => !this.#lateSenders.has(sender)));
    if (!this.#isKeeping) this.#keepLate().catch(this.#options.onDefect);
  }

  /** Resolves when everything that was added before is settled or given up. */
  settled(): Promise<void> {
    return this.#progress.whenDone();
  }

  /** What is not kept yet is given up. */
  abandon(): void {
    this.#pause.endForGood();
    this.#progress.giveUp();
  }

  /** What comes while some are kept is kept together. */
  async #keepLate(): Promise<void> {
    const { keepRejected, rejecting } = this.#options;
    this.#isKeeping = true;
    while (this.#late.length > 0) {
      const lines = this.#late;
      this.#late = [];
      const settlements = lines.filter(isToBeKept).flatMap((decided) => decided.settlements);
      if (!(await keepAmong(settlements, keepRejected, this.#pause, rejecting))) return;
      this.#lateSenders = new Set(this.#late.map(({ sender }) => sender));
      this.#lateBytes -= bytesOf(lines);
      this.#settle(lines);
      this.#options.onKept();
      this.#progress.done(countOf(lines));
    }
    this.#isKeeping = false;
  }

  #settle(lines: readonly Decided[]): void {
    const senders = new Set<Sender>();
    for (const decided of lines) {
      this.#options.onSettled(decided);
      for (const settlement of decided.settlements) decided.sender.settle(settlement);
      senders.add(decided.sender);
    }
    for (const sender of senders) sender.flushed();
  }
}

/** Replayed lines are kept already. */
function isToBeKept({ sender, settlements }: Decided): boolean {
  return sender.origin !== "replayed" && settlements.some(({ kind }) => kind === "rejected");
}

function countOf(lines: readonly Decided[]): number {
  return lines.reduce((sum, { settlements }) => sum + settlements.length, 0);
}

function bytesOf(lines: readonly Decided[]): number {
  return lines.reduce((sum, { bytes }) => sum + bytes, 0);
}
