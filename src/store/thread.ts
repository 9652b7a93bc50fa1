/**
 * A store behind the event loop's back. Backends are synchronous code, which is what their libraries are good
 * at; a thread makes them asynchronous. The writer has one, and questions have another, so that neither waits
 * for the other (docs/architecture.md says what was measured).
 */
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { Periods } from "../analysis/period.ts";
import type { Report } from "../analysis/report-schema.ts";
import { PatterndError } from "../errors.ts";
import { BatchMemory } from "../pattern/batch-memory.ts";
import { type PackedPatterns, transferOf } from "../pattern/pack.ts";
import type {
  Backend,
  Census,
  Exceptions,
  OpenOptions,
  Outcome,
  Page,
  PageRequest,
  StoreMetadata,
  StoreStats,
} from "./backend.ts";
import type { Filter } from "./filter.ts";
import type { BackendKind } from "./open.ts";
import {
  type Call,
  fromPlain,
  type Reply,
  type ThreadData,
  unpackOutcomes,
  type Written,
} from "./protocol.ts";

/** A backend whose batches come packed. They are moved to its thread: the caller has them no more. */
export interface ThreadedStore extends Omit<Backend, "write"> {
  write(patterns: PackedPatterns): Promise<Outcome[]>;
  /**
   * Resolves when the threads that write and that answer questions have answered every call before, long ones as far as
   * they have come.
   */
  ping(): Promise<void>;
}

/**
 * Opens the store for writing, in a thread that writes; another one answers questions, from the first question on.
 *
 * @param memory what batches were packed in, given back when they are written
 */
export async function openInThreads(
  kind: BackendKind,
  options: OpenOptions,
  onEnded: (error: Error) => void,
  memory = new BatchMemory(),
): Promise<ThreadedStore> {
  const writer = await StoreThread.open(kind, options, onEnded);
  const reader = new LazyThread(() => StoreThread.open(kind, { ...options, readOnly: true }, onEnded));
  const analyst = new Analyst(kind, options);
  return {
    metadata: writer.metadata,
    write: async (patterns) => {
      const { outcomes, syncMs, spent } = await writer.write(patterns);
      if (spent) memory.give(spent);
      if (syncMs !== undefined) options.onSynced?.(syncMs);
      return unpackOutcomes(outcomes);
    },
    // The writer knows where each id stands; a look-up is too short to delay it.
    get: (id) => writer.get(id),
    query: async (filter, page) => (await reader.get()).query(filter, page),
    stats: async () => (await reader.get()).stats(),
    analyse: (filter, periods) => analyst.analyse(filter, periods),
    deleteOlderThan: (cutoff, exceptions) => writer.deleteOlderThan(cutoff, exceptions),
    countOlderThan: async (cutoff, exceptions) => (await reader.get()).countOlderThan(cutoff, exceptions),
    compress: (beforeDay) => writer.compress(beforeDay),
    forget: (ids) => writer.forget(ids),
    ping: async () => {
      await Promise.allSettled([writer.ping(), reader.opened?.ping()]);
    },
    close: async () => {
      // Questions that are still asked have nobody left to ask them.
      await Promise.all([reader.terminate(), analyst.close()]);
      await writer.close();
    },
  };
}

/** A thread that costs nothing before somebody needs it. */
class LazyThread {
  readonly #open: () => Promise<StoreThread>;
  #opening: Promise<StoreThread> | undefined;
  #opened: StoreThread | undefined;
  #isClosed = false;

  constructor(open: () => Promise<StoreThread>) {
    this.#open = open;
  }

  /** If it is. */
  get opened(): StoreThread | undefined {
    return this.#opened;
  }

  /** One that failed to open is opened anew. */
  async get(): Promise<StoreThread> {
    if (this.#isClosed) throw new PatterndError("store_closed", "the store is closed");
    this.#opening ??= this.#open();
    try {
      this.#opened = await this.#opening;
      return this.#opened;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  async terminate(): Promise<void> {
    this.#isClosed = true;
    const opening = this.#opening?.catch(() => undefined);
    const opened = await Promise.race([opening, setTimeout(CLOSE_MS, undefined, { ref: false })]);
    await opened?.terminate();
  }
}

/**
 * Analyses, one after the other, each in a thread that lives for it: at the lowest priority, so that senders notice
 * little of it, and in no question's way.
 */
class Analyst {
  readonly #open: () => Promise<StoreThread>;
  #last: Promise<unknown> = Promise.resolve();
  #thread: LazyThread | undefined;
  #isClosed = false;

  constructor(kind: BackendKind, options: OpenOptions) {
    this.#open = () => StoreThread.open(kind, { ...options, readOnly: true }, () => {}, true);
  }

  analyse(filter: Filter, periods: Periods): Promise<Report> {
    const done = this.#last.then(() => this.#run(filter, periods));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.terminate();
  }

  async #run(filter: Filter, periods: Periods): Promise<Report> {
    this.#requireOpen();
    const thread = new LazyThread(this.#open);
    this.#thread = thread;
    try {
      return await (await thread.get()).analyse(filter, periods);
    } finally {
      await thread.terminate();
    }
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new PatterndError("store_closed", "the store is closed");
  }
}

const CLOSE_MS = 10_000;
/** What it makes of a batch is used up with the batch: more room for it would only be more memory. */
const YOUNG_MIB = 6;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

class StoreThread implements Omit<ThreadedStore, "write"> {
  readonly metadata: StoreMetadata;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #ended: Error | undefined;
  #closing: Promise<void> | undefined;
  readonly #onEnded: (error: Error) => void;

  private constructor(worker: Worker, metadata: StoreMetadata, onEnded: (error: Error) => void) {
    this.#worker = worker;
    this.#onEnded = onEnded;
    this.metadata = metadata;
    worker.on("message", (reply: Reply) => this.#settle(reply));
    worker.on("error", (cause) => this.#end(cause));
    worker.on("exit", () => this.#end(undefined));
  }

  static async open(
    kind: BackendKind,
    { onRepair, onSynced: _, ...options }: OpenOptions,
    onEnded: (error: Error) => void,
    isBackground = false,
  ): Promise<StoreThread> {
    const workerData: ThreadData = { kind, options };
    const program = isBackground ? "./background-worker.js" : "./worker.js";
    const worker = new Worker(new URL(program, import.meta.url), {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
    const reply = await new Promise<Reply>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    if ("opened" in reply) {
      for (const repair of reply.repairs) onRepair?.(repair);
      return new StoreThread(worker, reply.opened, onEnded);
    }
    await worker.terminate();
    throw "error" in reply
      ? fromPlain(reply.error)
      : new PatterndError("internal", "the store's thread spoke early");
  }

  write(patterns: PackedPatterns): Promise<Written> {
    return this.#call({ method: "write", patterns }, transferOf(patterns));
  }

  get(id: string): Promise<string | undefined> {
    return this.#call({ method: "get", id });
  }

  query(filter: Filter, page: PageRequest): Promise<Page> {
    return this.#call({ method: "query", filter, page });
  }

  stats(): Promise<StoreStats> {
    return this.#call({ method: "stats" });
  }

  analyse(filter: Filter, periods: Periods): Promise<Report> {
    return this.#call({ method: "analyse", filter, periods });
  }

  deleteOlderThan(cutoff: bigint, exceptions?: Exceptions): Promise<number> {
    return this.#call({ method: "deleteOlderThan", cutoff, exceptions });
  }

  countOlderThan(cutoff: bigint, exceptions?: Exceptions): Promise<Census> {
    return this.#call({ method: "countOlderThan", cutoff, exceptions });
  }

  compress(beforeDay: number): Promise<number> {
    return this.#call({ method: "compress", beforeDay });
  }

  forget(ids: readonly string[]): Promise<number> {
    return this.#call({ method: "forget", ids });
  }

  ping(): Promise<void> {
    return this.#call({ method: "ping" });
  }

  close(): Promise<void> {
    this.#closing ??= this.#ended ? Promise.resolve() : this.#closeWithin(CLOSE_MS);
    return this.#closing;
  }

  async terminate(): Promise<void> {
    this.#closing ??= Promise.resolve();
    await this.#worker.terminate();
  }

  /** A call that never returns (a disk that hangs) must not keep the daemon from ending. */
  async #closeWithin(ms: number): Promise<void> {
    const timer = globalThis.setTimeout(() => this.#worker.terminate(), ms);
    try {
      await this.#call({ method: "close" });
    } finally {
      clearTimeout(timer);
    }
  }

  #call<T>(call: Call, transfer: ArrayBuffer[] = []): Promise<T> {
    if (this.#ended) return Promise.reject(this.#ended);
    this.#calls += 1;
    const number = this.#calls;
    return new Promise<T>((resolve, reject) => {
      // Our own thread answers: what a method results in is the backend's to promise.
      this.#waiting.set(number, { resolve: (result) => resolve(result as T), reject });
      this.#worker.postMessage({ ...call, number }, transfer);
    });
  }

  #settle(reply: Reply): void {
    if (!("number" in reply) || reply.number === undefined) return;
    const waiting = this.#waiting.get(reply.number);
    this.#waiting.delete(reply.number);
    if ("error" in reply) waiting?.reject(fromPlain(reply.error));
    else waiting?.resolve(reply.result);
  }

  #end(cause: unknown): void {
    this.#ended ??= new PatterndError(
      cause ? "store_failed" : "store_closed",
      "the store's thread has ended",
      { cause },
    );
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
    if (!this.#closing) this.#onEnded(this.#ended);
  }
}
