/** Questions to the segments. Needs no lock and nothing of the writer: what is on disk is enough. */
import type { Scan, Visit } from "../../analysis/analyse.ts";
import { hashId } from "../../pattern/id-hash.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { Census, Counted, Page, PageRequest, Position, StoreStats } from "../backend.ts";
import type { Cutoffs } from "../cutoffs.ts";
import { contentMatcher, type Filter } from "../filter.ts";
import type { Steps } from "../steps.ts";
import { hasLineWith } from "./block-index.ts";
import { CensusTally, countDay } from "./census.ts";
import { type DayBlock, WrongIndex } from "./day.ts";
import { Days } from "./days.ts";
import { dayOf, startOfDay } from "./layout.ts";
import { comparePositions, PageCollector } from "./page.ts";
import { statsOf } from "./stats.ts";
import { glanceAt, instantIn, readStored } from "./stored-line.ts";

/** The instants that 64 bits hold: all there are. */
const OLDEST = -(2n ** 63n);
const NEWEST = 2n ** 63n - 1n;

export class SegmentReader {
  readonly #root: string;
  readonly #zone: Zone;
  /** Segments whose index does not fit. */
  readonly #distrusted = new Set<string>();

  constructor(root: string, zone: Zone) {
    this.#root = root;
    this.#zone = zone;
  }

  /** Reads only the days, and of these the parts, that can hold answers, newest first. A step a block. */
  query(filter: Filter, request: PageRequest): Steps<Page> {
    return this.#steps(() => this.#query(filter, request));
  }

  stats(): Steps<StoreStats> {
    return this.#steps(() => statsOf(this.#root, this.#zone, this.#distrusted));
  }

  /** Day after day, block after block: the newest first, more or less. False after an index that does not fit. */
  *scan(filter: Filter, visit: Visit): Scan {
    const newest = filter.end ?? NEWEST;
    const oldest = filter.start ?? OLDEST;
    const matches = contentMatcher(filter);
    const visitOf = (type: string) => (bytes: Buffer, _offset: number, isPattern: boolean) => {
      const line = bytes.toString("utf8");
      if (matches && !matches(line)) return;
      const glance = isPattern ? instantIn(line, this.#zone) : undefined;
      const instant = glance ?? readStored(line, this.#zone)?.instant;
      if (instant === undefined || instant > newest || instant < oldest) return;
      visit(type, Number(instant / 1_000_000n), line);
    };
    const days = new Days(this.#root, filter.patternType);
    try {
      for (const day of days.all) {
        if (day > dayOf(newest) || day < dayOf(oldest)) continue;
        const view = days.view(day);
        try {
          for (const block of view.blocks(this.#zone, this.#distrusted)) {
            if (block.newest < oldest || block.oldest > newest) continue;
            view.read(block, visitOf(block.segment.type));
            yield;
          }
        } finally {
          view.close();
        }
      }
      return true;
    } catch (error) {
      this.#distrust(error);
      return false;
    }
  }

  get(id: string): string | undefined {
    return this.#distrusting(() => this.#get(id));
  }

  /** A step a day. */
  *countOlderThan(cutoffs: Cutoffs, of: Counted): Generator<void, Census> {
    const days = new Days(this.#root, undefined);
    const tally = new CensusTally(of);
    const isOld = (day: number) => startOfDay(day) < cutoffs.latest;
    // What is young is counted only as long as it may be the smaller part.
    for (const day of [...days.all.filter(isOld), ...days.all.filter((day) => !isOld(day))]) {
      this.#distrusting(() =>
        days.open(day, (view) => {
          const isCounted = isOld(day) ? tally.wants(view) : tally.isMost;
          const blocks = isCounted ? view.blocks(this.#zone, this.#distrusted) : [];
          tally.add(countDay(day, view, blocks, cutoffs, this.#zone));
        }),
      );
      yield;
    }
    return tally.census();
  }

  *#query(filter: Filter, request: PageRequest): Generator<void, Page, undefined> {
    const page = new PageCollector(request);
    const { after } = request;
    const newest = lesser(filter.end, after?.instant) ?? NEWEST;
    const oldest = filter.start ?? OLDEST;
    const visit = this.#collect(page, filter, { oldest, newest, after });
    const time = new LookingTime(request.lookMs);
    const days = new Days(this.#root, filter.patternType);
    for (const day of days.all) {
      if (day > dayOf(newest)) continue;
      if (day < dayOf(oldest) || page.isFull) break;
      const endOfDay = startOfDay(day + 1) - 1n;
      if (endOfDay < newest && time.isOver) return page.pageAbove(endOfDay);
      const view = days.view(day);
      const seen = new Seen();
      time.goOn();
      try {
        for (const block of view.blocks(this.#zone, this.#distrusted)) {
          if (block.newest < oldest || page.isFullBefore(block.newest)) break;
          if (block.oldest > newest) continue;
          const isLate = block.newest < newest && time.isOver;
          if (isLate && seen.isMostlyAbove(block.newest)) return page.pageAbove(block.newest);
          view.read(block, visit);
          seen.add(block);
          time.pause();
          yield;
          time.goOn();
        }
      } finally {
        time.pause();
        view.close();
      }
    }
    return page.page();
  }

  #collect(
    page: PageCollector,
    filter: Filter,
    { oldest, newest, after }: { oldest: bigint; newest: bigint; after: Position | undefined },
  ): (line: Buffer, offset: number, isPattern: boolean) => void {
    const matches = contentMatcher(filter);
    return (bytes, _offset, isPattern) => {
      const line = bytes.toString("utf8");
      // Most lines that don't hold what is asked for are passed over by a look for its words.
      if (matches && !matches(line)) return;
      const glance = isPattern ? glanceAt(line, this.#zone) : undefined;
      const found = glance ?? readStored(line, this.#zone);
      if (!found || found.instant > newest || found.instant < oldest) return;
      if (after && comparePositions(found, after) <= 0) return;
      page.add({ instant: found.instant, id: found.id, line, bytes: bytes.length });
    };
  }

  #get(id: string): string | undefined {
    const plain = Buffer.from(id, "utf8");
    const hash = hashId(id);
    let line: string | undefined;
    const visit = (candidate: Buffer) => {
      // An id may be written with escapes: only a line without any can be passed over unread.
      if (!candidate.includes(plain) && !candidate.includes("\\")) return;
      if (readStored(candidate, this.#zone)?.id === id) line = candidate.toString("utf8");
    };
    const days = new Days(this.#root, undefined);
    for (const day of days.all) {
      days.open(day, (view) => {
        for (const block of view.blocks(this.#zone, this.#distrusted)) {
          if (line !== undefined) return;
          if (!block.hashes || hasLineWith(block.hashes, hash)) view.read(block, visit);
        }
      });
      if (line !== undefined) return line;
    }
    return undefined;
  }

  /** What an index that does not fit has led to counts for nothing. */
  #distrusting<T>(ask: () => T): T {
    for (;;) {
      try {
        return ask();
      } catch (error) {
        this.#distrust(error);
      }
    }
  }

  *#steps<T>(begin: () => Generator<void, T>): Generator<void, T> {
    for (;;) {
      try {
        return yield* begin();
      } catch (error) {
        this.#distrust(error);
      }
    }
  }

  #distrust(error: unknown): void {
    if (!(error instanceof WrongIndex)) throw error;
    this.#distrusted.add(error.segment);
  }
}

/** Of a day, what was read. */
class Seen {
  readonly #blocks: DayBlock[] = [];
  /** How many there are when it is worth while to look again. */
  #next = 1;

  add(block: DayBlock): void {
    this.#blocks.push(block);
  }

  /** Whether something was, and at least half of it needs not be read again by who goes on below an instant. */
  isMostlyAbove(instant: bigint): boolean {
    if (this.#blocks.length < this.#next) return false;
    this.#next = Math.ceil(this.#blocks.length * 1.25);
    const above = this.#blocks.filter(({ oldest }) => oldest > instant);
    return 2 * bytesOf(above) >= bytesOf(this.#blocks);
  }
}

/** What of a time a question has used up by looking: to open files, and others' turns, do not count. */
class LookingTime {
  #leftMs: number;
  #since: number | undefined;

  constructor(ms = Number.POSITIVE_INFINITY) {
    this.#leftMs = ms;
  }

  get isOver(): boolean {
    return this.#since === undefined ? this.#leftMs <= 0 : performance.now() - this.#since >= this.#leftMs;
  }

  goOn(): void {
    this.#since = performance.now();
  }

  pause(): void {
    if (this.#since !== undefined) this.#leftMs -= performance.now() - this.#since;
    this.#since = undefined;
  }
}

function bytesOf(blocks: readonly DayBlock[]): number {
  return blocks.reduce((sum, { from, to }) => sum + to - from, 0);
}

function lesser(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}
