/** So many at once, the others in the order in which they came. Who has gone before their turn has none. */
export class Turns {
  readonly #atOnce: number;
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** How many wait for theirs. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Rejects with an AskerGone where `gone` came first. */
  async run<T>(gone: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.take(gone);
    try {
      return await work();
    } finally {
      this.give();
    }
  }

  /** As `run`, for what ends elsewhere: with one call of `give`. */
  async take(gone: AbortSignal): Promise<void> {
    if (gone.aborted) throw new AskerGone();
    if (this.#taken < this.#atOnce) {
      this.#taken += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(begin);
        reject(new AskerGone());
      };
      const begin = () => {
        this.#waiting.delete(begin);
        gone.removeEventListener("abort", leave);
        resolve();
      };
      this.#waiting.add(begin);
      gone.addEventListener("abort", leave);
    });
  }

  give(): void {
    const [next] = this.#waiting;
    if (next) next();
    else this.#taken -= 1;
  }
}

/** Nobody is there to be answered. */
export class AskerGone extends Error {
  override readonly name = "AskerGone";

  constructor() {
    super("the asker has gone");
  }
}
