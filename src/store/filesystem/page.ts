import { PAGE_BYTES, type Page, type PageRequest, type Position } from "../backend.ts";

interface Candidate extends Position {
  readonly line: string;
  readonly bytes: number;
}

/** Keeps the best of what it is offered, in order, with memory bounded by a few pages whatever is offered. */
export class PageCollector {
  readonly #limit: number;
  readonly #maxBytes: number;
  #kept: Candidate[] = [];
  #bytes = 0;
  /** Since the last cut there is a page, and one behind it that is as old as this. */
  #behind: bigint | undefined;

  constructor(request: PageRequest) {
    this.#limit = request.limit;
    this.#maxBytes = request.maxBytes ?? PAGE_BYTES;
  }

  add(candidate: Candidate): void {
    this.#kept.push(candidate);
    this.#bytes += candidate.bytes;
    if (this.#kept.length > 2 * this.#limit + 16 || this.#bytes > 4 * this.#maxBytes) this.#cut();
  }

  /** Whether no candidate as old as this one, or older, can change the page any more. */
  isFullBefore(instant: bigint): boolean {
    if (this.#behind === undefined && this.#kept.length > this.#limit) this.#cut();
    return this.#behind !== undefined && instant < this.#behind;
  }

  /** Whether older candidates can't change the page any more. */
  get isFull(): boolean {
    this.#cut();
    return this.#behind !== undefined;
  }

  page(): Page {
    this.#cut();
    const length = this.#pageLength();
    const last = this.#kept.length > length ? this.#kept[length - 1] : undefined;
    return {
      lines: this.#kept.slice(0, length).map((candidate) => candidate.line),
      next: last && { instant: last.instant, id: last.id },
    };
  }

  /** The page as far as it is known when everything newer than an instant was looked at. */
  pageAbove(instant: bigint): Page {
    this.#kept = this.#kept.filter((candidate) => candidate.instant > instant);
    const page = this.page();
    return page.next ? page : { lines: page.lines, next: { instant, id: "" } };
  }

  /** Down to the page and the one behind it, which tells that there is more. */
  #cut(): void {
    this.#kept.sort(comparePositions);
    const length = this.#pageLength();
    this.#kept = this.#kept.slice(0, length + 1);
    this.#bytes = this.#kept.reduce((sum, candidate) => sum + candidate.bytes, 0);
    this.#behind = this.#kept[length]?.instant;
  }

  #pageLength(): number {
    let bytes = 0;
    const end = this.#kept.findIndex((candidate, index) => {
      bytes += candidate.bytes;
      return index === this.#limit || (index > 0 && bytes > this.#maxBytes);
    });
    return end === -1 ? this.#kept.length : end;
  }
}

/** Newest first, ties by id in the order of code points (as SQLite orders UTF-8), not of UTF-16 units. */
export function comparePositions(a: Position, b: Position): number {
  if (a.instant !== b.instant) return a.instant > b.instant ? -1 : 1;
  return Buffer.compare(Buffer.from(a.id, "utf8"), Buffer.from(b.id, "utf8"));
}
