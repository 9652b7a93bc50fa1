/**
 * Memory of batches that are written, for those that come: it goes from thread to thread and back. A thread is slow to
 * collect what it was given, and a new batch would be made meanwhile.
 */

/** So that one batch's does for the next one, which is a little longer. */
const STEP_BYTES = 512 * 1024;
/** Less is made anew as quickly. */
const LEAST_BYTES = 256 * 1024;
const MOST_FREE = 4;
/** After a rush nothing is kept. */
const REST_MS = 10_000;

/** Whether it is worth sending back. */
export function isReusable({ byteLength }: ArrayBuffer): boolean {
  return byteLength >= LEAST_BYTES;
}

export class BatchMemory {
  readonly #free: ArrayBuffer[] = [];
  #rest: NodeJS.Timeout | undefined;

  /** At least so long; what stands in it is of no account. */
  take(bytes: number): ArrayBuffer {
    const at = this.#free.findIndex(({ byteLength }) => byteLength >= bytes);
    const [free] = at === -1 || bytes < LEAST_BYTES ? [] : this.#free.splice(at, 1);
    const size = bytes < LEAST_BYTES ? bytes : Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
    return free ?? Buffer.allocUnsafeSlow(size).buffer;
  }

  give(memory: ArrayBuffer): void {
    if (!isReusable(memory)) return;
    this.#free.unshift(memory);
    this.#free.length = Math.min(this.#free.length, MOST_FREE);
    this.#rest ??= setTimeout(() => {
      this.#free.length = 0;
      this.#rest = undefined;
    }, REST_MS).unref();
    this.#rest.refresh();
  }
}
