/** One thread with a store in it, and the calls that wait for its answers. */
import { Worker } from "node:worker_threads";
import type { Periods } from "../analysis/period.ts";
import type { Report } from "../analysis/report-schema.ts";
import { PatterndError } from "../errors.ts";
import { type PackedPatterns, transferOf } from "../pattern/packed.ts";
import type {
  Backend,
  Census,
  Counted,
  Exceptions,
  OnDeleted,
  OpenOptions,
  Page,
  PageRequest,
  StoreMetadata,
  StoreStats,
} from "./backend.ts";
import type { Filter } from "./filter.ts";
import type { BackendKind } from "./open.ts";
import { type Call, fromPlain, type Reply, type ThreadData, type Written } from "./protocol.ts";

/** A call that has not returned by then never will. */
export const CLOSE_MS = 10_000;
/** What it makes of a batch is used up with the batch: more room for it would only be more memory. */
const YOUNG_MIB = 6;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onDeleted: OnDeleted | undefined;
}

/** Whoever opens it hears of repairs, and of its end if nobody asked for that. */
export class StoreThread implements Omit<Backend, "write" | "forgotten" | "remember"> {
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

  deleteOlderThan(cutoff: bigint, exceptions?: Exceptions, onDeleted?: OnDeleted): Promise<number> {
    return this.#call({ method: "deleteOlderThan", cutoff, exceptions }, [], onDeleted);
  }

  countOlderThan(cutoff: bigint, exceptions?: Exceptions, of?: Counted): Promise<Census> {
    return this.#call({ method: "countOlderThan", cutoff, exceptions, of });
  }

  compress(beforeDay: number): Promise<number> {
    return this.#call({ method: "compress", beforeDay });
  }

  forget(ids: readonly string[]): Promise<number> {
    return this.#call({ method: "forget", ids });
  }

  refuse(ids: readonly string[]): Promise<void> {
    return this.#call({ method: "refuse", ids });
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

  #call<T>(call: Call, transfer: ArrayBuffer[] = [], onDeleted?: OnDeleted): Promise<T> {
    if (this.#ended) return Promise.reject(this.#ended);
    this.#calls += 1;
    const number = this.#calls;
    return new Promise<T>((resolve, reject) => {
      // Our own thread answers: what a method results in is the backend's to promise.
      this.#waiting.set(number, { resolve: (result) => resolve(result as T), reject, onDeleted });
      this.#worker.postMessage({ ...call, number }, transfer);
    });
  }

  #settle(reply: Reply): void {
    if (!("number" in reply) || reply.number === undefined) return;
    const waiting = this.#waiting.get(reply.number);
    if ("deleted" in reply) {
      waiting?.onDeleted?.(reply.deleted);
      return;
    }
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
