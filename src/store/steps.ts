import { setImmediate } from "node:timers/promises";

type Steps<R> = Iterator<void, R, undefined>;

/** Long work in short steps, each a synchronous one, between which other calls have their turn. One work at a time. */
export class StepQueue {
  #last: Promise<unknown> = Promise.resolve();
  #abandon: () => void = () => {};

  /** `step` runs each step; when it throws, the work is given up. Resolves to what the work comes to. */
  run<R>(begin: () => Steps<R>, step: <T>(work: () => T) => T): Promise<R> {
    const done = this.#last.then(() => this.#work(step(begin), step));
    this.#last = done.catch(() => undefined);
    return done;
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
        const result = step(() => steps.next());
        if (result.done) return result.value;
        await setImmediate();
      }
    } finally {
      this.#abandon = () => {};
      end();
    }
  }
}
