import { setImmediate, setTimeout } from "node:timers/promises";

/** Work in short steps, and what it comes to. */
export type Steps<T> = Iterator<void, T, undefined>;

/** Work that can't be divided. */
export function oneStep<T>(work: () => T): Steps<T> {
  return { next: () => ({ done: true, value: work() }) };
}

/** Who called so recently is expected to call again. */
const BUSY_MS = 200;
/** While others call, steps leave so many times their own length to them, */
const PAUSES = 24;
/** but not more than this, */
const MAX_PAUSE_MS = 600;
/** unless a call takes long: what a step leaves the disk to do is felt in the calls after it. Then so many of them come first, */
const CALLS = 3;
/** for no longer than this. */
const MAX_CALLS_MS = 2_000;

/** Long work in short steps, each a synchronous one, between which other calls have their turn. One work at a time. */
export class StepQueue {
  #last: Promise<unknown> = Promise.resolve();
  #abandon: () => void = () => {};
  #calledAt = Number.NEGATIVE_INFINITY;
  /** How long the last call took. */
  #callMs = 0;
  /** Since the last pause. */
  #workedMs = 0;

  /** `step` runs each step; when it throws, the work is given up. Resolves to what the work comes to. */
  run<R>(begin: () => Steps<R>, step: <T>(work: () => T) => T): Promise<R> {
    const done = this.#last.then(() => this.#work(step(begin), step));
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Another call has its turn: from now on, for a moment, the work takes a small part of the time. */
  noteCall(): void {
    this.#calledAt = performance.now();
  }

  /** It had it, and took so long. */
  noteCallEnded(ms: number): void {
    this.#calledAt = performance.now();
    this.#callMs = ms;
  }

  /** Gives up what is between two steps, at once: what it cleans up is still its own. */
  abandon(): void {
    this.#abandon();
  }

  async #work<R>(steps: Steps<R>, step: <T>(work: () => T) => T): Promise<R> {
    // The work cleans up, whatever it would have come to.
    const end = () => void steps.return?.();
    this.#abandon = end;
    try {
      for (;;) {
        const started = performance.now();
        const result = step(() => steps.next());
        if (result.done) return result.value;
        await this.#giveWay(performance.now() - started);
      }
    } finally {
      this.#abandon = () => {};
      end();
    }
  }

  async #giveWay(ms: number): Promise<void> {
    this.#workedMs += ms;
    const isBusy = performance.now() - this.#calledAt < BUSY_MS;
    // No timer is shorter than a millisecond.
    if (!isBusy || this.#workedMs < 1) return setImmediate();
    const pause = pauseMs(this.#workedMs, this.#callMs);
    this.#workedMs = 0;
    await setTimeout(pause);
  }
}

/** After so much work, where the last call took so long. */
export function pauseMs(workedMs: number, callMs: number): number {
  return Math.max(Math.min(PAUSES * workedMs, MAX_PAUSE_MS), Math.min(CALLS * callMs, MAX_CALLS_MS));
}
