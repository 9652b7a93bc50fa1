/** So many at once, the others in the order in which they came. Who has gone before their turn has none. */
import pLimit from "p-limit";

export class Turns {
  readonly #limit;
  #waiting = 0;

  constructor(atOnce: number) {
    this.#limit = pLimit(atOnce);
  }

  /** How many wait for theirs. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Rejects with an AskerGone where `gone` comes first. */
  run<T>(gone: AbortSignal, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (gone.aborted) {
        reject(new AskerGone());
        return;
      }
      this.#waiting += 1;
      let isWaiting = true;
      const waitNoMore = () => {
        this.#waiting -= 1;
        isWaiting = false;
        gone.removeEventListener("abort", leave);
      };
      const leave = () => {
        waitNoMore();
        reject(new AskerGone());
      };
      gone.addEventListener("abort", leave);
      void this.#limit(async () => {
        if (!isWaiting) return;
        waitNoMore();
        await work().then(resolve, reject);
      });
    });
  }
}

/** Nobody is there to be answered. */
export class AskerGone extends Error {
  override readonly name = "AskerGone";

  constructor() {
    super("the asker has gone");
  }
}
