/** How many of a sequence of lines are done, and who waits for it. */
export class Progress {
  #came = 0;
  #done = 0;
  #waiting: { readonly upTo: number; readonly resolve: () => void }[] = [];

  come(lines: number): void {
    this.#came += lines;
  }

  done(lines: number): void {
    this.#done += lines;
    this.#tell();
  }

  /** Resolves when everything that has come by now is done, or never will be. */
  whenDone(): Promise<void> {
    if (this.#done >= this.#came) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ upTo: this.#came, resolve }));
  }

  /** Nobody waits any more. */
  giveUp(): void {
    this.#done = Number.POSITIVE_INFINITY;
    this.#tell();
  }

  #tell(): void {
    const told = this.#waiting.filter(({ upTo }) => upTo <= this.#done);
    this.#waiting = this.#waiting.filter(({ upTo }) => upTo > this.#done);
    for (const { resolve } of told) resolve();
  }
}
