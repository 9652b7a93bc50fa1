/** How much a step takes on, so that it lasts about as long as it should, whatever the disk and the rows are like. */
export class StepSize {
  readonly #targetMs: number;
  readonly #most: number;
  #size: number;

  constructor(first: number, most: number, targetMs: number) {
    this.#size = first;
    this.#most = most;
    this.#targetMs = targetMs;
  }

  /** Of the next step. */
  get next(): number {
    return this.#size;
  }

  timed<T>(step: (size: number) => T): T {
    const started = performance.now();
    const result = step(this.#size);
    const factor = this.#targetMs / Math.max(performance.now() - started, 0.01);
    // One slow step, for somebody else's sake, is no reason to go on in the smallest of steps.
    const size = Math.round(this.#size * Math.min(2, Math.max(0.5, factor)));
    this.#size = Math.min(this.#most, Math.max(1, size));
    return result;
  }
}
