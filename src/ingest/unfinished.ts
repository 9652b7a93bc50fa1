/** Lines whose newline has not come yet, within what all connections together may hold of them. */

/** A line that grows beyond this gets its memory in pieces of this size. */
const BLOCK_BYTES = 64 * 1024;

/** What all connections together may hold of lines that are not finished yet. */
export class UnfinishedBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

/**
 * One connection's unfinished line, as copies: a few held bytes must not keep a whole chunk of the socket's alive.
 * The copies go into few blocks, so that a line that comes byte by byte does not cost an object a byte.
 */
export class UnfinishedLine {
  readonly #budget: UnfinishedBudget;
  #blocks: Buffer[] = [];
  /** Of the last block. */
  #free = 0;
  #taken = 0;

  constructor(budget: UnfinishedBudget) {
    this.#budget = budget;
  }

  get length(): number {
    return this.#taken - this.#free;
  }

  /** Whether the shared budget had room for it; if not, nothing of it is held. */
  add(part: Buffer): boolean {
    const fits = Math.min(part.length, this.#free);
    const beyond = part.length - fits;
    // At most twice what is held, and never much more than is needed.
    const block = beyond === 0 ? 0 : Math.max(beyond, Math.min(this.length, BLOCK_BYTES));
    if (!this.#budget.take(block)) return false;
    const last = this.#blocks.at(-1);
    if (last) part.copy(last, last.length - this.#free, 0, fits);
    this.#free -= fits;
    if (block === 0) return true;
    const next = Buffer.allocUnsafeSlow(block);
    part.copy(next, 0, fits);
    this.#blocks.push(next);
    this.#free = block - beyond;
    this.#taken += block;
    return true;
  }

  /** What is held, with `rest` behind it: a copy, if anything is held. */
  with(rest: Buffer): Buffer {
    const last = this.#blocks.at(-1);
    if (!last) return rest;
    return Buffer.concat([...this.#blocks.slice(0, -1), last.subarray(0, last.length - this.#free), rest]);
  }

  /** Forgets it, and gives back what it took. */
  release(): void {
    this.#budget.give(this.#taken);
    this.#blocks = [];
    this.#free = 0;
    this.#taken = 0;
  }
}
