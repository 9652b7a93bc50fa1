import { setImmediate } from "node:timers/promises";

type Steps = Generator<void, number>;

/** Long work in short steps, each a synchronous one, between which other calls have their turn. One work at a time. */
export class StepQueue {
  #last: Promise<unknown> = Promise.resolve();
  #current: Steps | undefined;

  /** `step` runs each step; when it throws, the work is given up. Resolves to what the work comes to. */
  run(begin: () => Steps, step: <T>(work: () => T) => T): Promise<number> {
    const done = this.#last.then(() => this.#work(step(begin), step));
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Gives up what is between two steps, at once: what it cleans up is still its own. */
  abandon(): void {
    this.#current?.return(0);
  }

  async #work(steps: Steps, step: <T>(work: () => T) => T): Promise<number> {
    this.#current = steps;
    try {
      for (;;) {
        const { done, value } = step(() => steps.next());
        if (done) return value;
        await setImmediate();
      }
    } finally {
      this.#current = undefined;
      steps.return(0);
    }
  }
}
