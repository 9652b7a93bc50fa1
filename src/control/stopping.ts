import { PatterndError } from "../errors.ts";

/** Who waits for an answer when the daemon stops is told so, while there still is somebody to tell it. */
export class Stopping {
  readonly #waiting = new Set<() => void>();

  /** As `work` ends, or rejects with `daemon_stopping` if that is told before. */
  unlessTold<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = () => reject(new PatterndError("daemon_stopping", "the daemon stops"));
      this.#waiting.add(leave);
      work.then(resolve, reject).finally(() => this.#waiting.delete(leave));
    });
  }

  tell(): void {
    for (const leave of this.#waiting) leave();
  }
}
