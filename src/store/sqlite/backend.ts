import { statSync } from "node:fs";
import { dirname } from "node:path";
import { PatterndError } from "../../errors.ts";
import type { Backend, OpenOptions } from "../backend.ts";
import { makeFolder } from "../durable.ts";
import { inOurTerms } from "../failure.ts";
import { GuardedBackend } from "../guarded.ts";
import { lockStore, type WriterLock } from "../lock.ts";
import { oneStep } from "../steps.ts";
import { PatternCounter } from "./census.ts";
import { type Connection, type Driver, isFull, loadDriver } from "./driver.ts";
import {
  configureWriter,
  createStore,
  isStore,
  openReader,
  openWriter,
  optimize,
  storeFile,
} from "./file.ts";
import { PatternReader } from "./reader.ts";
import { RoomMakingWriter, reserve, sayingFull, withReserve } from "./room.ts";
import { scan } from "./scan.ts";
import { MIGRATIONS, type Migration, migrate, newestFormat, readMetadata } from "./schema.ts";
import type { PatternWriter } from "./writer.ts";

/**
 * Opens a store in one SQLite database (schema.ts), creating it if there is none. SQLite works synchronously:
 * every call blocks the thread that it is made in.
 *
 * @throws PatterndError `sqlite_unavailable`, `store_locked`, `store_of_another_user`, `store_foreign`, `store_newer`,
 * `store_not_found` (readOnly), `store_failed`.
 */
export async function openSqlite(
  options: OpenOptions,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<Backend> {
  const driver = await loadDriver();
  return inOurTerms(options.path, () => {
    const file = storeFile(options.path);
    return sayingFull(file, () =>
      options.readOnly
        ? openForReading(driver, options, migrations)
        : withReserve(file, () => openForWriting(driver, options, migrations)),
    );
  });
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
      return backendOf(file, db);
    },
  );
}

function openForWriting(driver: Driver, options: OpenOptions, migrations: readonly Migration[]): Backend {
  const file = storeFile(options.path);
  // Looked at before anything is written: beside what is not ours nothing appears.
  isStore(driver, file, migrations);
  makeFolder(dirname(file));
  const lock = lockStore(file, `${file}.lock`, options.holder ?? "patternd");
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
          const { durability, onSynced } = options;
          const writer = new RoomMakingWriter(db, durability === "fsync" ? onSynced : undefined);
          reserve(file);
          return backendOf(file, db, { lock, writer });
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

/** `held`: if it is open for writing. */
function backendOf(
  path: string,
  db: Connection,
  held?: { lock: WriterLock; writer: PatternWriter },
): Backend {
  const reader = new PatternReader(db);
  const counter = new PatternCounter(db);
  return new GuardedBackend({
    metadata: readMetadata(db),
    path,
    writer: held?.writer,
    get: (id) => reader.get(id),
    query: (filter, page) => oneStep(() => reader.page(filter, page)),
    stats: () => oneStep(() => ({ ...reader.counts(), bytes: bytesOf(path) })),
    countOlderThan: (cutoffs, of) => counter.countOlderThan(cutoffs, of),
    scan: (filter, visit) => scan(db, filter, visit),
    close: () => {
      try {
        if (held) tidy(path, db);
      } finally {
        db.close();
        if (held) reserve(path);
        held?.lock.release();
      }
    },
  });
}

function tidy(file: string, db: Connection): void {
  // What is left to do is no reason to wait for somebody else's transaction.
  db.pragma("busy_timeout = 0");
  try {
    withReserve(file, () => {
      optimize(db);
      db.pragma("wal_checkpoint(TRUNCATE)");
    });
  } catch (error) {
    // What can't leave the WAL is safe there.
    if (!isFull(error)) throw error;
  }
}

function bytesOf(file: string): number {
  return [file, `${file}-wal`].reduce(
    (sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

function closingOnError<T>(close: () => void, step: () => T): T {
  try {
    return step();
  } catch (error) {
    close();
    throw error;
  }
}
