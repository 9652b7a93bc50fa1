/** Lines that nobody promised anything for yet, in order: first those that were sent, then those that were not. */
export class Backlog {
  #lines: string[] = [];
  /** Lines before this index are gone; removing them one by one would move all others each time. */
  #first = 0;
  #unsent = 0;
  #bytes = 0;
  #sentBytes = 0;

  get length(): number {
    return this.#lines.length - this.#first;
  }

  /** How many were sent. */
  get sent(): number {
    return this.#unsent - this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `line` with its newline. */
  push(line: string): void {
    this.#lines.push(line);
    this.#bytes += Buffer.byteLength(line);
  }

  /** The next unsent lines as one text, which count as sent from now on, while sent ones stay within `maxBytes`. */
  send(maxBytes: number): string {
    const start = this.#unsent;
    for (; this.#unsent < this.#lines.length; this.#unsent += 1) {
      const size = Buffer.byteLength(this.#lines[this.#unsent] ?? "");
      if (this.#sentBytes + size > maxBytes) break;
      this.#sentBytes += size;
    }
    return this.#lines.slice(start, this.#unsent).join("");
  }

  /**
   * The first `count` lines are settled.
   *
   * @returns false, and does nothing, if fewer were sent.
   */
  settle(count: number): boolean {
    if (count > this.sent) return false;
    for (const end = this.#first + count; this.#first < end; this.#first += 1) {
      const size = Buffer.byteLength(this.#lines[this.#first] ?? "");
      this.#bytes -= size;
      this.#sentBytes -= size;
    }
    if (2 * this.#first > this.#lines.length) {
      this.#lines = this.#lines.slice(this.#first);
      this.#unsent -= this.#first;
      this.#first = 0;
    }
    return true;
  }

  /** Who they were sent to is gone: they are to be sent again. */
  unsend(): void {
    this.#unsent = this.#first;
    this.#sentBytes = 0;
  }

  /** Removes and returns all of them as one text. */
  empty(): string {
    const text = this.#lines.slice(this.#first).join("");
    this.#lines = [];
    this.#first = this.#unsent = this.#bytes = this.#sentBytes = 0;
    return text;
  }
}
