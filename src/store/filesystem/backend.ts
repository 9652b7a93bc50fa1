import { join } from "node:path";
import { messageOf, PatterndError, systemCode } from "../../errors.ts";
import type { Pattern } from "../../pattern/pattern.ts";
import { Zone } from "../../pattern/zone.ts";
import {
  type Backend,
  NotStorable,
  type OpenOptions,
  type Outcome,
  type Page,
  type PageRequest,
  type StoreMetadata,
} from "../backend.ts";
import { makeFolder } from "../durable.ts";
import type { Filter } from "../filter.ts";
import { acquireLock, type WriterLock } from "../lock.ts";
import { StepQueue } from "../steps.ts";
import { LOCK_FILE } from "./layout.ts";
import { createMetadata, readMetadata } from "./metadata.ts";
import { SegmentReader } from "./reader.ts";
import { SegmentWriter } from "./writer.ts";

/** Something stands in the way of this pattern's file, and trying again will not move it. */
const REFUSALS = new Set(["EISDIR", "ENOTDIR", "ELOOP", "ENAMETOOLONG"]);

/**
 * Opens a store of day segments (layout.ts), creating it if there is none.
 *
 * @throws PatterndError `store_locked`, `store_foreign`, `store_newer`, `store_not_found` (readOnly), `store_failed`.
 */
export async function openFilesystem(options: OpenOptions): Promise<Backend> {
  return machinery(() => (options.readOnly ? openForReading(options) : openForWriting(options)));
}

function openForReading(options: OpenOptions): FilesystemBackend {
  const metadata = readMetadata(options.path);
  if (!metadata) throw new PatterndError("store_not_found", `there is no store at ${options.path}`);
  return new FilesystemBackend(options.path, metadata);
}

function openForWriting(options: OpenOptions): FilesystemBackend {
  // Looked at before anything is written: what is not ours stays untouched.
  readMetadata(options.path);
  makeFolder(options.path);
  const lock = acquireLock(join(options.path, LOCK_FILE), options.holder ?? "patternd");
  try {
    const metadata = readMetadata(options.path) ?? createMetadata(options.path, options);
    const writer = new SegmentWriter(options, new Zone(metadata.timezone));
    return new FilesystemBackend(options.path, metadata, { lock, writer });
  } catch (error) {
    lock.release();
    throw error;
  }
}

class FilesystemBackend implements Backend {
  readonly metadata: StoreMetadata;
  readonly #path: string;
  readonly #reader: SegmentReader;
  readonly #held: { readonly lock: WriterLock; readonly writer: SegmentWriter } | undefined;
  readonly #upkeep = new StepQueue();
  #closed = false;

  constructor(path: string, metadata: StoreMetadata, held?: { lock: WriterLock; writer: SegmentWriter }) {
    this.metadata = metadata;
    this.#path = path;
    this.#reader = new SegmentReader(path, new Zone(metadata.timezone));
    this.#held = held;
  }

  async write(patterns: readonly Pattern[]): Promise<Outcome[]> {
    return this.#whileOpen(() => {
      const writer = this.#writer();
      return refusing(() => writer.write(patterns));
    });
  }

  async get(id: string): Promise<string | undefined> {
    return this.#whileOpen(() => (this.#held ? this.#held.writer.get(id) : this.#reader.get(id)));
  }

  async query(filter: Filter, page: PageRequest): Promise<Page> {
    return this.#whileOpen(() => this.#reader.query(filter, page));
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
    this.#held?.writer.close();
    this.#held?.lock.release();
  }

  #writer(): SegmentWriter {
    if (!this.#held) throw new PatterndError("store_failed", `${this.#path} is open for reading only`);
    return this.#held.writer;
  }

  readonly #whileOpen = <T>(step: () => T): T => {
    if (this.#closed) throw new PatterndError("store_closed", `the store ${this.#path} is closed`);
    return machinery(step);
  };
}

/** The system's errors in our terms. */
function machinery<T>(step: () => T): T {
  try {
    return step();
  } catch (cause) {
    const code = systemCode(cause);
    if (cause instanceof PatterndError || cause instanceof NotStorable || code === undefined) throw cause;
    throw new PatterndError("store_failed", messageOf(cause), { cause });
  }
}

/** What the system refuses for good is the pattern's fault, not the machinery's. */
function refusing<T>(step: () => T): T {
  try {
    return step();
  } catch (cause) {
    if (!REFUSALS.has(systemCode(cause) ?? "")) throw cause;
    throw new NotStorable(messageOf(cause), { cause });
  }
}
