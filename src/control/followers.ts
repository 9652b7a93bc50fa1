/**
 * Those who follow what is stored, each with a filter. Nobody waits for them: what a batch holds is copied only while
 * somebody follows, looked at later and in small parts, and left out (counted) where too much of it waits.
 */
import { setImmediate } from "node:timers/promises";
import { PatterndError } from "../errors.ts";
import type { PackedPatterns } from "../pattern/packed.ts";
import type { Pattern } from "../pattern/pattern.ts";
import type { Outcome } from "../pattern/settlement.ts";
import { unpackPatterns } from "../pattern/unpack.ts";
import { contentMatcher, type Filter } from "../store/filter.ts";

const MAX_FOLLOWERS = 32;
/** Of stored patterns that nobody has looked at yet. */
const BACKLOG_BYTES = 8 * 1024 * 1024;
/** Of lines that one follower has not read yet. */
const UNREAD_BYTES = 1024 * 1024;
/** How many patterns are looked at between two turns of the event loop. */
const LOOKS = 250;

interface StoredBatch {
  readonly patterns: PackedPatterns | undefined;
  readonly outcomes: readonly Outcome[];
  readonly bytes: number;
}

export class Followers {
  readonly #followers = new Set<Follower>();
  readonly #onDefect: (error: unknown) => void;
  #backlog: StoredBatch[] = [];
  #backlogBytes = 0;
  #isLooking = false;

  constructor(onDefect: (error: unknown) => void) {
    this.#onDefect = onDefect;
  }

  get size(): number {
    return this.#followers.size;
  }

  /** @throws PatterndError `too_many_followers` */
  follow(filter: Filter): Follower {
    if (this.#followers.size >= MAX_FOLLOWERS) {
      throw new PatterndError("too_many_followers", `${MAX_FOLLOWERS} follow what is stored already`);
    }
    const follower = new Follower(filter, () => this.#followers.delete(follower));
    this.#followers.add(follower);
    return follower;
  }

  /** Writes a batch, which is used up by that, and shows what of it is stored then. */
  async watch(
    patterns: PackedPatterns,
    write: (patterns: PackedPatterns) => Promise<Outcome[]>,
  ): Promise<Outcome[]> {
    if (this.#followers.size === 0) return write(patterns);
    const bytes = patterns.end;
    const isRoom = this.#backlogBytes + bytes <= BACKLOG_BYTES;
    const copy = isRoom ? copyOf(patterns) : undefined;
    if (isRoom) this.#backlogBytes += bytes;
    let outcomes: Outcome[] = [];
    try {
      outcomes = await write(patterns);
      return outcomes;
    } finally {
      if (isRoom) this.#show({ patterns: copy, outcomes, bytes });
      else for (const follower of this.#followers) follower.miss(outcomes.filter(isNew).length);
    }
  }

  #show(batch: StoredBatch): void {
    this.#backlog.push(batch);
    if (!this.#isLooking) this.#look().catch(this.#onDefect);
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    for (let batch = this.#backlog.shift(); batch; batch = this.#backlog.shift()) {
      const outcomes = batch.outcomes.values();
      let looks = 0;
      const isStored = batch.outcomes.length > 0;
      for (const pattern of isStored && batch.patterns ? unpackPatterns(batch.patterns) : []) {
        const outcome = outcomes.next().value;
        if (outcome && isNew(outcome)) for (const follower of this.#followers) follower.offer(pattern);
        looks += 1;
        if (looks % LOOKS === 0) await setImmediate();
      }
      this.#backlogBytes -= batch.bytes;
    }
    this.#isLooking = false;
  }
}

/** One of them: what it has not read yet, in the order in which it was stored. */
export class Follower {
  readonly #filter: Filter;
  readonly #matches: (line: string) => boolean;
  readonly #leave: () => void;
  #unread: string[] = [];
  #unreadBytes = 0;
  #missed = 0;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(filter: Filter, leave: () => void) {
    this.#filter = filter;
    this.#matches = contentMatcher(filter) ?? (() => true);
    this.#leave = leave;
  }

  offer({ type, instant, line }: Pattern): void {
    const { patternType, start } = this.#filter;
    if (patternType !== undefined && type !== patternType) return;
    if (start !== undefined && instant < start) return;
    if (this.#missed > 0 || this.#unreadBytes + line.byteLength > UNREAD_BYTES) {
      this.miss(1);
      return;
    }
    const text = Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString("utf8");
    if (!this.#matches(text)) return;
    this.#unread.push(text);
    this.#unreadBytes += line.byteLength;
    this.#wake();
  }

  miss(count: number): void {
    this.#missed += count;
    this.#wake();
  }

  /** Waits for something to read, or the end. `missed`: after these lines so many were stored that are not shown. */
  async take(): Promise<{ lines: readonly string[]; missed: number }> {
    while (this.#unread.length === 0 && this.#missed === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = { lines: this.#unread, missed: this.#missed };
    this.#unread = [];
    this.#unreadBytes = 0;
    this.#missed = 0;
    return taken;
  }

  end(): void {
    this.#isOver = true;
    this.#leave();
    this.#wake();
  }
}

function isNew(outcome: Outcome): boolean {
  return outcome !== "superseded";
}

function copyOf({ bytes, end, rows, instants, words }: PackedPatterns): PackedPatterns {
  return { bytes: bytes.slice(0, end), end, rows: rows.slice(), instants: instants.slice(), words };
}
