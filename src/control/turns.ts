/** So many at once, the others in the order in which they came. Who goes before their turn leaves nothing behind. */
export class Turns {
  readonly #atOnce: number;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** How many wait for theirs. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Rejects with an AskerGone where `gone` comes first. */
  async run<T>(gone: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (gone?.aborted) throw new AskerGone();
    if (this.#running < this.#atOnce) this.#running += 1;
    else await this.#turn(gone);
    try {
      return await work();
    } finally {
      this.#pass();
    }
  }

  #turn(gone: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = () => {
        gone?.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.#waiting.delete(begin);
        reject(new AskerGone());
      };
      gone?.addEventListener("abort", leave, { once: true });
      this.#waiting.add(begin);
    });
  }

  /** To the one who has waited longest. */
  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

/** Nobody is there to be answered. */
export class AskerGone extends Error {
  override readonly name = "AskerGone";

  constructor() {
    super("the asker has gone");
  }
}
