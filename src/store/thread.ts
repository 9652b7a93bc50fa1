/**
 * A store behind the event loop's back. Backends are synchronous code, which is what their libraries are good
 * at; a thread makes them asynchronous. The writer has one, and questions have another, so that neither waits
 * for the other (docs/architecture.md says what was measured).
 */
import { setTimeout } from "node:timers/promises";
import { PatterndError } from "../errors.ts";
import { BatchMemory } from "../pattern/batch-memory.ts";
import type { PackedPatterns } from "../pattern/packed.ts";
import type { Backend, OpenOptions, Outcome } from "./backend.ts";
import type { BackendKind } from "./open.ts";
import { unpackOutcomes } from "./protocol.ts";
import { CLOSE_MS, StoreThread } from "./store-thread.ts";

/** A backend whose batches come packed. They are moved to its thread: the caller has them no more. */
export interface ThreadedStore extends Omit<Backend, "write" | "forgotten" | "remember"> {
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
  const openInBackground = () => StoreThread.open(kind, { ...options, readOnly: true }, () => {}, true);
  const analyst = new BackgroundThread(openInBackground);
  const counter = new BackgroundThread(openInBackground);
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
    analyse: (filter, periods, gone) => analyst.run((thread) => thread.analyse(filter, periods), gone),
    deleteOlderThan: (cutoff, exceptions, onDeleted) => writer.deleteOlderThan(cutoff, exceptions, onDeleted),
    countOlderThan: (cutoff, exceptions, of) =>
      counter.run((thread) => thread.countOlderThan(cutoff, exceptions, of)),
    compress: (beforeDay) => writer.compress(beforeDay),
    forget: (ids) => writer.forget(ids),
    refuse: (ids) => writer.refuse(ids),
    ping: async () => {
      await Promise.allSettled([writer.ping(), reader.opened?.ping()]);
    },
    close: async () => {
      // Questions that are still asked have nobody left to ask them.
      await Promise.all([reader.terminate(), analyst.close(), counter.close()]);
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
    requireOpen(this.#isClosed);
    this.#opening ??= this.#open();
    try {
      this.#opened = await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
    // Closing may not have waited for it.
    if (this.#isClosed) await this.#opened.terminate();
    requireOpen(this.#isClosed);
    return this.#opened;
  }

  async terminate(): Promise<void> {
    this.#isClosed = true;
    const opening = this.#opening?.catch(() => undefined);
    const opened = await Promise.race([opening, setTimeout(CLOSE_MS, undefined, { ref: false })]);
    await opened?.terminate();
  }
}

/**
 * Long looks, one after the other, each in a thread that lives for it: at the lowest priority, so that senders notice
 * little of it, and in no question's way.
 */
class BackgroundThread {
  readonly #open: () => Promise<StoreThread>;
  #last: Promise<unknown> = Promise.resolve();
  #thread: LazyThread | undefined;
  #isClosed = false;

  constructor(open: () => Promise<StoreThread>) {
    this.#open = open;
  }

  /** One that is `gone` before its end is not begun, or ends with its thread. */
  run<T>(look: (thread: StoreThread) => Promise<T>, gone?: AbortSignal): Promise<T> {
    const done = this.#last.then(() => this.#run(look, gone));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.terminate();
  }

  async #run<T>(look: (thread: StoreThread) => Promise<T>, gone?: AbortSignal): Promise<T> {
    requireOpen(this.#isClosed || gone?.aborted === true);
    const thread = new LazyThread(this.#open);
    this.#thread = thread;
    const end = () => void thread.terminate();
    gone?.addEventListener("abort", end);
    try {
      return await look(await thread.get());
    } finally {
      gone?.removeEventListener("abort", end);
      await thread.terminate();
    }
  }
}

function requireOpen(isClosed: boolean): void {
  if (isClosed) throw new PatterndError("store_closed", "the store is closed");
}
