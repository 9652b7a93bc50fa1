/**
 * The last station of a line: its sender is told when its fate is durable, a rejected one's when it is kept.
 * While rejected lines can't be kept, the senders of such lines wait, with all that they sent since: what a sender is
 * told is in the order of its lines. Nobody else waits.
 */
import type { RejectedLine } from "../pattern/rejection.ts";
import type { Sender, Settlement } from "../pattern/settlement.ts";

/** A line of which it is known what becomes of it. */
export interface DecidedLine {
  readonly sender: Sender;
  readonly settlement: Settlement;
  /** What it takes of the queue. */
  readonly bytes: number;
}

export interface SettlingOptions {
  /** Tries until they are durable; false if it gave up. */
  readonly keep: (lines: readonly RejectedLine[]) => Promise<boolean>;
  /** Before the sender is told. */
  readonly onSettled: (line: DecidedLine) => void;
  /** When some were settled, and all of their senders told. */
  readonly onRoom: () => void;
  readonly onDefect: (error: unknown) => void;
}

export class Settling {
  readonly #options: SettlingOptions;
  #late: DecidedLine[] = [];
  #lateSenders = new Set<Sender>();
  #isKeeping = false;
  /** Late lines so far: that came, and that are settled. */
  #came = 0;
  #went = 0;
  #waiting: { readonly upTo: number; readonly resolve: () => void }[] = [];

  constructor(options: SettlingOptions) {
    this.#options = options;
  }

  /** In the order in which they were put. */
  add(lines: readonly DecidedLine[]): void {
    for (const line of lines) if (isToBeKept(line)) this.#lateSenders.add(line.sender);
    if (this.#lateSenders.size === 0) {
      this.#settle(lines);
      return;
    }
    const late: DecidedLine[] = [];
    const others: DecidedLine[] = [];
    for (const line of lines) (this.#lateSenders.has(line.sender) ? late : others).push(line);
    this.#settle(others);
    this.#late = [...this.#late, ...late];
    this.#came += late.length;
    if (!this.#isKeeping) this.#keepLate().catch(this.#options.onDefect);
  }

  /** Resolves when everything that was added before is settled or given up. */
  settled(): Promise<void> {
    if (this.#went === this.#came) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ upTo: this.#came, resolve }));
  }

  /** Nobody needs to wait any more. */
  abandon(): void {
    this.#resolve(Number.POSITIVE_INFINITY);
  }

  /** What comes while some are kept is kept together. */
  async #keepLate(): Promise<void> {
    this.#isKeeping = true;
    while (this.#late.length > 0) {
      const lines = this.#late;
      this.#late = [];
      const rejected = lines.flatMap((line) => (isToBeKept(line) ? [line.settlement.line] : []));
      if (rejected.length > 0 && !(await this.#options.keep(rejected))) return;
      this.#lateSenders = new Set(this.#late.map(({ sender }) => sender));
      this.#settle(lines);
      this.#went += lines.length;
      this.#resolve(this.#went);
    }
    this.#isKeeping = false;
  }

  #settle(lines: readonly DecidedLine[]): void {
    const senders = new Set<Sender>();
    for (const line of lines) {
      this.#options.onSettled(line);
      line.sender.settle(line.settlement);
      senders.add(line.sender);
    }
    for (const sender of senders) sender.flushed();
    if (lines.length > 0) this.#options.onRoom();
  }

  #resolve(went: number): void {
    const ended = this.#waiting.filter(({ upTo }) => upTo <= went);
    this.#waiting = this.#waiting.filter(({ upTo }) => upTo > went);
    for (const { resolve } of ended) resolve();
  }
}

/** Replayed lines are kept already. */
function isToBeKept(
  line: DecidedLine,
): line is DecidedLine & { readonly settlement: { readonly kind: "rejected"; readonly line: RejectedLine } } {
  return line.settlement.kind === "rejected" && line.sender.origin !== "replayed";
}
