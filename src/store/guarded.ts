/** What every backend is on the outside: synchronous code inside, promises and our own errors outside. */
import type { Scan, Visit } from "../analysis/analyse.ts";
import type { Periods, Span } from "../analysis/period.ts";
import type { Report } from "../analysis/report-schema.ts";
import { messageOf, PatterndError, systemCode } from "../errors.ts";
import type { Pattern } from "../pattern/pattern.ts";
import {
  type Backend,
  NotStorable,
  type Outcome,
  type Page,
  type PageRequest,
  type StoreMetadata,
  type StoreStats,
} from "./backend.ts";
import type { Filter } from "./filter.ts";
import { StepQueue } from "./steps.ts";

/** As Backend says, but synchronous; long work comes as steps, between which patterns may be written. */
export interface StoreWriter {
  write(patterns: readonly Pattern[]): Outcome[];
  deleteOlderThan(cutoff: bigint): Generator<void, number>;
  compress(beforeDay: number): Generator<void, number>;
}

export interface StoreParts {
  readonly metadata: StoreMetadata;
  /** As messages call the store. */
  readonly path: string;
  /** Undefined if the store is open for reading only. */
  readonly writer: StoreWriter | undefined;
  get(id: string): string | undefined;
  query(filter: Filter, page: PageRequest): Page;
  stats(): StoreStats;
  /** Every pattern of a filter, in short steps. */
  scan(filter: Filter, visit: Visit): Scan;
  close(): void;
}

export class GuardedBackend implements Backend {
  readonly metadata: StoreMetadata;
  readonly #parts: StoreParts;
  readonly #upkeep = new StepQueue();
  readonly #analysing = new StepQueue();
  #closed = false;

  constructor(parts: StoreParts) {
    this.metadata = parts.metadata;
    this.#parts = parts;
  }

  async write(patterns: readonly Pattern[]): Promise<Outcome[]> {
    return this.#whileOpen(() => this.#writer().write(patterns));
  }

  async get(id: string): Promise<string | undefined> {
    return this.#whileOpen(() => this.#parts.get(id));
  }

  async query(filter: Filter, page: PageRequest): Promise<Page> {
    return this.#whileOpen(() => this.#parts.query(filter, page));
  }

  async stats(): Promise<StoreStats> {
    return this.#whileOpen(() => this.#parts.stats());
  }

  async analyse(filter: Filter, periods: Periods): Promise<Report> {
    // Nothing else needs it.
    const { analyse } = await import("../analysis/analyse.ts");
    const scan = (before: Span | undefined, visit: Visit) =>
      this.#parts.scan({ ...filter, ...before }, visit);
    return this.#analysing.run(() => analyse(periods, scan), this.#whileOpen);
  }

  deleteOlderThan(cutoff: bigint): Promise<number> {
    return this.#upkeep.run(() => this.#writer().deleteOlderThan(cutoff), this.#whileOpen);
  }

  compress(beforeDay: number): Promise<number> {
    return this.#upkeep.run(() => this.#writer().compress(beforeDay), this.#whileOpen);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    inOurTerms(this.#parts.path, () => {
      try {
        // Before the lock is released: to clean up later would be to do it in somebody else's store.
        this.#upkeep.abandon();
        this.#analysing.abandon();
      } finally {
        this.#parts.close();
      }
    });
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

/** The system's errors, and a library's that have a code, as `store_failed`. */
export function inOurTerms<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    if (cause instanceof PatterndError || cause instanceof NotStorable || systemCode(cause) === undefined) {
      throw cause;
    }
    throw new PatterndError("store_failed", `${path}: ${messageOf(cause)}`, { cause });
  }
}
