import { dirname } from "node:path";
import { messageOf, PatterndError, systemCode } from "../../errors.ts";
import type { Pattern } from "../../pattern/pattern.ts";
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
import { type Connection, type Driver, loadDriver } from "./driver.ts";
import { configureWriter, createStore, isStore, openReader, openWriter, storeFile } from "./file.ts";
import { PatternReader } from "./reader.ts";
import { MIGRATIONS, type Migration, migrate, newestFormat, readMetadata } from "./schema.ts";
import { PatternWriter } from "./writer.ts";

/**
 * Opens a store in one SQLite database (schema.ts), creating it if there is none. SQLite works synchronously:
 * every call blocks the thread that it is made in.
 *
 * @throws PatterndError `sqlite_unavailable`, `store_locked`, `store_foreign`, `store_newer`, `store_not_found`
 * (readOnly), `store_failed`.
 */
export async function openSqlite(
  options: OpenOptions,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<Backend> {
  const driver = await loadDriver();
  return machinery(options.path, () =>
    options.readOnly
      ? openForReading(driver, options, migrations)
      : openForWriting(driver, options, migrations),
  );
}

function openForReading(driver: Driver, options: OpenOptions, migrations: readonly Migration[]): Backend {
  const file = storeFile(options.path);
  if (!isStore(driver, file, migrations)) {
    throw new PatterndError("store_not_found", `there is no store at ${file}`);
  }
  const db = openReader(driver, file);
  return closingOnError(
    () => db.close(),
    () => {
      refuseOlder(file, readMetadata(db).format, newestFormat(migrations));
      return new SqliteBackend(file, db);
    },
  );
}

function openForWriting(driver: Driver, options: OpenOptions, migrations: readonly Migration[]): Backend {
  const file = storeFile(options.path);
  // Looked at before anything is written: beside what is not ours nothing appears.
  isStore(driver, file, migrations);
  makeFolder(dirname(file));
  const lock = acquireLock(`${file}.lock`, options.holder ?? "patternd");
  return closingOnError(
    () => lock.release(),
    () => {
      if (!isStore(driver, file, migrations)) createStore(driver, file, options.timezone, migrations);
      const db = openWriter(driver, file);
      return closingOnError(
        () => db.close(),
        () => {
          configureWriter(db, options.durability);
          migrate(db, migrations);
          return new SqliteBackend(file, db, { lock, writer: new PatternWriter(db) });
        },
      );
    },
  );
}

/** Only a writer may migrate. */
function refuseOlder(file: string, format: number, newest: number): void {
  if (format >= newest) return;
  const message = `${file} has format ${format}; this program reads format ${newest}`;
  throw new PatterndError("store_failed", message, {
    hint: "Open the store once for writing (start the daemon): that brings it to the newer format.",
  });
}

class SqliteBackend implements Backend {
  readonly metadata: StoreMetadata;
  readonly #file: string;
  readonly #db: Connection;
  readonly #reader: PatternReader;
  readonly #held: { readonly lock: WriterLock; readonly writer: PatternWriter } | undefined;
  readonly #upkeep = new StepQueue();
  #closed = false;

  constructor(file: string, db: Connection, held?: { lock: WriterLock; writer: PatternWriter }) {
    this.metadata = readMetadata(db);
    this.#file = file;
    this.#db = db;
    this.#reader = new PatternReader(db);
    this.#held = held;
  }

  async write(patterns: readonly Pattern[]): Promise<Outcome[]> {
    return this.#whileOpen(() => this.#writer().write(patterns));
  }

  async get(id: string): Promise<string | undefined> {
    return this.#whileOpen(() => this.#reader.get(id));
  }

  async query(filter: Filter, page: PageRequest): Promise<Page> {
    return this.#whileOpen(() => this.#reader.page(filter, page));
  }

  deleteOlderThan(cutoff: bigint): Promise<number> {
    return this.#upkeep.run(() => this.#writer().deleteOlderThan(cutoff), this.#whileOpen);
  }

  /** A database has nothing to compress. */
  async compress(): Promise<number> {
    return this.#whileOpen(() => {
      this.#writer();
      return 0;
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    machinery(this.#file, () => this.#close());
  }

  #close(): void {
    try {
      if (!this.#held) return;
      this.#db.pragma("optimize");
      this.#db.pragma("wal_checkpoint(TRUNCATE)");
    } finally {
      this.#db.close();
      this.#held?.lock.release();
    }
  }

  #writer(): PatternWriter {
    if (!this.#held) throw new PatterndError("store_failed", `${this.#file} is open for reading only`);
    return this.#held.writer;
  }

  readonly #whileOpen = <T>(step: () => T): T => {
    if (this.#closed) throw new PatterndError("store_closed", `the store ${this.#file} is closed`);
    return machinery(this.#file, step);
  };
}

function closingOnError<T>(close: () => void, step: () => T): T {
  try {
    return step();
  } catch (error) {
    close();
    throw error;
  }
}

/** SQLite's and the system's errors in our terms. */
function machinery<T>(file: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    if (cause instanceof PatterndError || cause instanceof NotStorable || systemCode(cause) === undefined) {
      throw cause;
    }
    throw new PatterndError("store_failed", `${file}: ${messageOf(cause)}`, { cause });
  }
}
