/**
 * SQLite on a full disk. It needs room even to make some: 32 KiB to open a database, and to empty the WAL as much as
 * the database grows by what stands there. A file of zeros beside the database keeps it, and goes when there is no other.
 */
import { closeSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { PatterndError, systemCode } from "../../errors.ts";
import type { Pattern } from "../../pattern/pattern.ts";
import type { Outcome } from "../backend.ts";
import { type Connection, isFull } from "./driver.ts";
import { BUSY_MS } from "./file.ts";
import { PatternWriter } from "./writer.ts";

const RESERVE = ".reserve";

/** By so much a database grows by a WAL of some 60 MB, where most batches are a few patterns. */
const RESERVED_BYTES = 1024 * 1024;

/** Nobody's long read is waited for: the next attempt comes soon. */
const READERS_MS = 20;

/** @throws PatterndError `store_failed` for a full disk; anything else as `step` throws it. */
export function sayingFull<T>(file: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    if (cause instanceof PatterndError || !isFull(cause)) throw cause;
    throw new PatterndError("store_failed", `${file} can't be opened: the disk is full`, {
      cause,
      hint: "Make room on the disk that holds the store: SQLite needs 32 KiB of it to open a database.",
    });
  }
}

/** Once more with the room that is kept, if there was no other. */
export function withReserve<T>(file: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!isFull(error)) throw error;
    release(file);
    return step();
  }
}

/** As much as there is, up to what should be kept. */
export function reserve(file: string): void {
  const path = file + RESERVE;
  try {
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) >= RESERVED_BYTES) return;
    rmSync(path, { force: true });
    fill(openSync(path, "wx", 0o600));
  } catch (error) {
    // The store works without it.
    if (systemCode(error) === undefined) throw error;
  }
}

/** In pieces: ext4 takes nothing of what it has no room for as a whole. */
function fill(fd: number): void {
  const piece = Buffer.alloc(RESERVED_BYTES / 16);
  try {
    for (let bytes = 0; bytes < RESERVED_BYTES; ) bytes += writeSync(fd, piece);
  } finally {
    closeSync(fd);
  }
}

function release(file: string): void {
  rmSync(file + RESERVE, { force: true });
}

/** Makes room where a WAL that has grown fills the disk. Not for writes within a transaction: a full disk ends that. */
export class RoomMakingWriter extends PatternWriter {
  readonly #db: Connection;
  #isFull = false;

  constructor(db: Connection, onSynced?: (ms: number) => void) {
    super(db, onSynced);
    this.#db = db;
  }

  override write(patterns: readonly Pattern[]): Outcome[] {
    // What room there is now is not for the WAL to grow further: it is needed to empty it.
    if (this.#isFull) return this.#writeInRoom(patterns);
    try {
      return super.write(patterns);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#isFull = true;
      return this.#writeInRoom(patterns);
    }
  }

  #writeInRoom(patterns: readonly Pattern[]): Outcome[] {
    const { name } = this.#db;
    release(name);
    this.#emptyWal();
    const outcomes = super.write(patterns);
    this.#isFull = false;
    reserve(name);
    return outcomes;
  }

  /** One that fails half way has made the database larger: the next one needs less. */
  #emptyWal(): void {
    this.#db.pragma(`busy_timeout = ${READERS_MS}`);
    try {
      this.#db.pragma("wal_checkpoint(TRUNCATE)");
    } finally {
      this.#db.pragma(`busy_timeout = ${BUSY_MS}`);
    }
  }
}
