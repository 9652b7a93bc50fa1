/** What every backend is on the outside: synchronous code inside, promises and our own errors outside. */
import { setImmediate } from "node:timers/promises";
import pLimit from "p-limit";
import type { Scan, Visit } from "../analysis/analyse.ts";
import type { Periods, Span } from "../analysis/period.ts";
import type { Report } from "../analysis/report-schema.ts";
import { PatterndError } from "../errors.ts";
import type { Pattern } from "../pattern/pattern.ts";
import {
  type Backend,
  type Census,
  type Counted,
  type Exceptions,
  NotStorable,
  type OnDeleted,
  type Outcome,
  type Page,
  type PageRequest,
  type StoreMetadata,
  type StoreStats,
} from "./backend.ts";
import { Cutoffs } from "./cutoffs.ts";
import { inOurTerms } from "./failure.ts";
import type { Filter } from "./filter.ts";
import { ForgottenIds } from "./forgotten.ts";
import { StepQueue, type Steps } from "./steps.ts";

/** As Backend says, but synchronous; long work comes as steps, between which patterns may be written. */
export interface StoreWriter {
  write(patterns: readonly Pattern[]): Outcome[];
  deleteOlderThan(cutoffs: Cutoffs, onDeleted: OnDeleted): Generator<void, number>;
  compress(beforeDay: number): Generator<void, number>;
  /** What `remember` was told, ever. */
  remembered(): Iterable<string>;
  /** Durable when it returns. */
  remember(hashes: readonly string[]): void;
  forget(ids: readonly string[]): Generator<void, number>;
}

export interface StoreParts {
  readonly metadata: StoreMetadata;
  /** As messages call the store. */
  readonly path: string;
  /** Undefined if the store is open for reading only. */
  readonly writer: StoreWriter | undefined;
  get(id: string): string | undefined;
  /** In short steps, where that can be. */
  query(filter: Filter, page: PageRequest): Steps<Page>;
  stats(): Steps<StoreStats>;
  countOlderThan(cutoffs: Cutoffs, of: Counted): Generator<void, Census>;
  /** Every pattern of a filter, in short steps. */
  scan(filter: Filter, visit: Visit): Scan;
  close(): void;
}

/** So many questions go on in turns, others wait: each holds files open, and memory. */
const MOST_AT_ONCE = 4;

export class GuardedBackend implements Backend {
  readonly metadata: StoreMetadata;
  readonly #parts: StoreParts;
  readonly #upkeep = new StepQueue();
  readonly #counting = new StepQueue();
  readonly #asking = pLimit(MOST_AT_ONCE);
  #forgotten: ForgottenIds | undefined;
  readonly #analysing = new StepQueue();
  #closed = false;

  constructor(parts: StoreParts) {
    this.metadata = parts.metadata;
    this.#parts = parts;
  }

  async write(patterns: readonly Pattern[]): Promise<Outcome[]> {
    this.#upkeep.noteCall();
    const began = performance.now();
    try {
      return await this.#whileOpen(() => this.#write(patterns));
    } finally {
      this.#upkeep.noteCallEnded(performance.now() - began);
    }
  }

  async get(id: string): Promise<string | undefined> {
    return this.#whileOpen(() => this.#parts.get(id));
  }

  async query(filter: Filter, page: PageRequest): Promise<Page> {
    return this.#ask(() => this.#parts.query(filter, page));
  }

  async stats(): Promise<StoreStats> {
    return this.#ask(() => this.#parts.stats());
  }

  async analyse(filter: Filter, periods: Periods): Promise<Report> {
    // Nothing else needs it.
    const { analyse } = await import("../analysis/analyse.ts");
    const scan = (before: Span | undefined, visit: Visit) =>
      this.#parts.scan({ ...filter, ...before }, visit);
    return this.#analysing.run(() => analyse(periods, scan), this.#whileOpen);
  }

  deleteOlderThan(cutoff: bigint, exceptions?: Exceptions, onDeleted: OnDeleted = () => {}): Promise<number> {
    const cutoffs = new Cutoffs(cutoff, exceptions);
    return this.#upkeep.run(() => this.#writer().deleteOlderThan(cutoffs, onDeleted), this.#whileOpen);
  }

  countOlderThan(cutoff: bigint, exceptions?: Exceptions, of: Counted = "all"): Promise<Census> {
    const cutoffs = new Cutoffs(cutoff, exceptions);
    return this.#counting.run(() => this.#parts.countOlderThan(cutoffs, of), this.#whileOpen);
  }

  compress(beforeDay: number): Promise<number> {
    return this.#upkeep.run(() => this.#writer().compress(beforeDay), this.#whileOpen);
  }

  forget(ids: readonly string[]): Promise<number> {
    return this.#upkeep.run(() => {
      // Before anything goes: what is sent again meanwhile must not come back.
      this.#refuse(ids);
      return this.#writer().forget(ids);
    }, this.#whileOpen);
  }

  async refuse(ids: readonly string[]): Promise<void> {
    this.#whileOpen(() => this.#refuse(ids));
  }

  async forgotten(): Promise<readonly string[]> {
    return this.#whileOpen(() => [...this.#writer().remembered()]);
  }

  async remember(forgotten: readonly string[]): Promise<void> {
    this.#whileOpen(() => {
      const writer = this.#writer();
      this.#forgottenIds(writer).addHashes(forgotten, (hashes) => writer.remember(hashes));
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    inOurTerms(this.#parts.path, () => {
      try {
        // Before the lock is released: to clean up later would be to do it in somebody else's store.
        this.#upkeep.abandon();
        this.#counting.abandon();
        this.#analysing.abandon();
      } finally {
        this.#parts.close();
      }
    });
  }

  #ask<T>(begin: () => Steps<T>): Promise<T> {
    return this.#asking(async () => {
      const steps = this.#whileOpen(begin);
      try {
        for (;;) {
          const step = this.#whileOpen(() => steps.next());
          if (step.done) return step.value;
          await setImmediate();
        }
      } finally {
        steps.return?.();
      }
    });
  }

  #write(patterns: readonly Pattern[]): Outcome[] {
    const writer = this.#writer();
    const forgotten = this.#forgottenIds(writer);
    if (forgotten.isEmpty) return writer.write(patterns);
    const wanted = [...patterns.keys()].filter((index) => !forgotten.has(patterns[index]?.id ?? ""));
    const outcomes = Array<Outcome>(patterns.length).fill("superseded");
    try {
      const written = writer.write(wanted.flatMap((index) => patterns[index] ?? []));
      for (const [at, index] of wanted.entries()) outcomes[index] = written[at] ?? "superseded";
      return outcomes;
    } catch (error) {
      if (!(error instanceof NotStorable) || error.index === undefined) throw error;
      const index = wanted[error.index];
      throw new NotStorable(error.message, { cause: error.cause, ...(index === undefined ? {} : { index }) });
    }
  }

  #refuse(ids: readonly string[]): void {
    const writer = this.#writer();
    this.#forgottenIds(writer).add(ids, (hashes) => writer.remember(hashes));
  }

  #forgottenIds(writer: StoreWriter): ForgottenIds {
    this.#forgotten ??= new ForgottenIds(writer.remembered());
    return this.#forgotten;
  }

  #writer(): StoreWriter {
    const { writer, path } = this.#parts;
    if (!writer) {
      const hint = "Open the store without readOnly to write to it.";
      throw new PatterndError("store_failed", `${path} is open for reading only`, { hint });
    }
    return writer;
  }

  readonly #whileOpen = <T>(step: () => T): T => {
    const { path } = this.#parts;
    if (this.#closed) throw new PatterndError("store_closed", `the store ${path} is closed`);
    return inOurTerms(path, step);
  };
}
