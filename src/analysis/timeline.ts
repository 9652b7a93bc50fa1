/** How many of something when: equal parts of a period, counted from its end back. */
const MOST_PARTS = 28;
const FIRST_WIDTH_MS = 3_600_000;

/** Where the parts lie: as wide as a period needs whose length is known, else ever wider. */
export interface TimelineFrame {
  readonly endMs: number;
  /** Undefined if the period has no start. */
  readonly startMs: number | undefined;
}

export class Timeline {
  readonly #endMs: number;
  #widthMs: number;
  #counts: number[] = [];

  constructor({ endMs, startMs }: TimelineFrame) {
    this.#endMs = endMs;
    this.#widthMs =
      startMs === undefined ? FIRST_WIDTH_MS : Math.max(1, Math.ceil((endMs - startMs + 1) / MOST_PARTS));
  }

  get widthMs(): number {
    return this.#widthMs;
  }

  get length(): number {
    return this.#counts.length;
  }

  add(ms: number): void {
    let part = this.#partOf(ms);
    while (part >= MOST_PARTS) {
      this.#widen();
      part = this.#partOf(ms);
    }
    while (this.#counts.length <= part) this.#counts.push(0);
    this.#counts[part] = (this.#counts[part] ?? 0) + 1;
  }

  /** The oldest first, in parts of a width that is this one's or wider by doubling, and so many. */
  parts(widthMs: number, length: number): number[] {
    while (this.#widthMs < widthMs) this.#widen();
    return Array.from({ length }, (_, index) => this.#counts[length - 1 - index] ?? 0);
  }

  /** What is newer than the end, by a clock that is ahead, is in the last part. */
  #partOf(ms: number): number {
    return Math.max(0, Math.floor((this.#endMs - ms) / this.#widthMs));
  }

  #widen(): void {
    this.#widthMs *= 2;
    const counts = this.#counts;
    this.#counts = Array.from(
      { length: Math.ceil(counts.length / 2) },
      (_, part) => (counts[2 * part] ?? 0) + (counts[2 * part + 1] ?? 0),
    );
  }
}
