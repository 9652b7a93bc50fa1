const FIRST_MS = 100;
const LONGEST_MS = 5_000;

/** How long to wait before the attempt after the `failures`th failure, in ms: doubling, with jitter down to half. */
export function retryDelayMs(failures: number, random: () => number = Math.random): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
  return Math.round(full * (0.5 + random() / 2));
}

/** A wait that can be ended early, and for good. One at a time. */
export class Pause {
  #endNow: () => void = () => {};
  #isOver = false;

  /** 0: for what happens in this very moment. */
  async wait(ms: number): Promise<void> {
    if (this.#isOver) return;
    if (ms === 0) {
      await Promise.resolve();
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endNow = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  end(): void {
    this.#endNow();
  }

  /** Nobody waits any more. */
  endForGood(): void {
    this.#isOver = true;
    this.#endNow();
  }

  get isOver(): boolean {
    return this.#isOver;
  }
}

/** A part that may fail for a while: said once when it begins to, and once when it works again. */
export class Condition {
  readonly #onFailed: (error: unknown) => void;
  readonly #onRecovered: () => void;
  readonly #onOther: () => void;
  #failure: unknown;

  /** `onOther`: what failed hangs now, or what hung fails. */
  constructor(onFailed: (error: unknown) => void, onRecovered: () => void, onOther: () => void = () => {}) {
    this.#onFailed = onFailed;
    this.#onRecovered = onRecovered;
    this.#onOther = onOther;
  }

  /** The latest error; undefined while the part works. */
  get failure(): unknown {
    return this.#failure;
  }

  failed(error: unknown): void {
    const before = this.#failure;
    this.#failure = error;
    if (before === undefined) this.#onFailed(error);
    else if (before instanceof Late !== error instanceof Late) this.#onOther();
  }

  works(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#onRecovered();
  }
}

/** What completes nothing for so long counts as failing. */
const LATE_MS = 1_000;

/** It may complete yet, and counts then. */
export class Late extends Error {
  override readonly name = "Late";
  constructor() {
    super("nothing has completed for a second");
  }
}

/** `onLate`: the step has not come to its end for a second, and is waited for all the same. */
export async function watched<T>(step: () => Promise<T>, onLate: () => void): Promise<T> {
  let isOver = false;
  const sayLate = () => {
    if (!isOver) onLate();
  };
  // Our own stall is not the step's: the loop looks once more whether it has ended.
  const late = setTimeout(() => setImmediate(sayLate), LATE_MS);
  try {
    return await step();
  } finally {
    isOver = true;
    clearTimeout(late);
  }
}

/**
 * Tries until it works, which `condition` is told, as it is of an attempt that hangs; undefined if the pause is ended
 * for good before.
 */
export async function insist<T>(
  step: () => Promise<T>,
  pause: Pause,
  condition: Pick<Condition, "failed" | "works">,
): Promise<T | undefined> {
  for (let failures = 1; !pause.isOver; failures += 1) {
    try {
      const result = await watched(step, () => condition.failed(new Late()));
      condition.works();
      return result;
    } catch (error) {
      condition.failed(error);
      await pause.wait(retryDelayMs(failures));
    }
  }
  return undefined;
}

/** Whether it worked before the pause was ended for good: `insist`, for what comes to nothing. */
export async function achieve(
  step: () => Promise<void>,
  pause: Pause,
  condition: Pick<Condition, "failed" | "works">,
): Promise<boolean> {
  const whole = async () => {
    await step();
    return true;
  };
  return (await insist(whole, pause, condition)) ?? false;
}
