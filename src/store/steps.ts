import { setImmediate } from "node:timers/promises";

/** Long work in short steps, each a synchronous one, between which other calls have their turn. One work at a time. */
export class StepQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** `step` runs each step; when it throws, the work is given up. Resolves to what the work comes to. */
  run(begin: () => Generator<void, number>, step: <T>(work: () => T) => T): Promise<number> {
    const done = this.#last.then(() => work(step(begin), step));
    this.#last = done.catch(() => undefined);
    return done;
  }
}

async function work(steps: Generator<void, number>, step: <T>(work: () => T) => T): Promise<number> {
  try {
    for (;;) {
      const { done, value } = step(() => steps.next());
      if (done) return value;
      await setImmediate();
    }
  } finally {
    steps.return(0);
  }
}
