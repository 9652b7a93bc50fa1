/**
 * A copy of a store, made while others write to it. It is built in a folder of a fixed name beside its place and
 * put there whole; whoever builds holds a lock in that folder, so that what a killed one left is told from what
 * another one is at, and cleared.
 */
import { readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { messageOf, PatterndError, systemCode } from "../errors.ts";
import { makeFolder, syncPath } from "./durable.ts";
import { acquireLock } from "./lock.ts";
import type { StorePlace } from "./open.ts";

/** In the folder in which a copy is built, where a store on files has its writer's lock, too. */
const LOCK_FILE = ".lock";

export interface BackupProgress {
  /** `copy`; `verify`: the copy is read. */
  readonly phase: "copy" | "verify";
  /** Of this phase so far. */
  readonly bytes: number;
}

export interface BackupOptions {
  readonly onProgress?: (progress: BackupProgress) => void;
}

export interface BackedUp {
  readonly patterns: number;
  /** Of the copy on disk. */
  readonly bytes: number;
  /** Of the copy: a path that is opened like any store's. */
  readonly path: string;
}

/** What a backend does for a copy. */
export interface Copier {
  /** Where the copy goes that is asked for at `path`. */
  target(path: string): string;
  /** What stands in its way there, or undefined. */
  obstacle(target: string): string | undefined;
  /**
   * Makes the copy in an empty folder of its own, durably, and verifies it.
   *
   * @returns in `made` what is to be put into its place: the folder itself or a file in it.
   */
  copy(from: string, folder: string, tell: (progress: BackupProgress) => void): Promise<Copied>;
}

export interface Copied {
  readonly made: string;
  readonly patterns: number;
  readonly bytes: number;
}

/**
 * Copies the store at `from` to the path `to`, where nothing may be but, for a store on files, an empty folder.
 * Every pattern that was acknowledged before is in the copy, once, in that version or a later one, unless it is
 * deleted meanwhile. Nothing is locked or changed in the store. A failed or killed call leaves nothing at `to`;
 * what it leaves beside it the next one clears.
 *
 * @throws PatterndError `backup_exists`, `backup_failed`, `store_locked` (another backup to the same place); what
 *   opening a store for reading throws.
 */
export async function backup(
  from: StorePlace,
  to: string,
  { onProgress = () => {} }: BackupOptions = {},
): Promise<BackedUp> {
  const copier = await copierOf(from.backend);
  const path = copier.target(to);
  if (`${path}${sep}`.startsWith(`${resolve(from.path)}${sep}`))
    throw new PatterndError("usage", `${path} is in the store itself: a backup goes elsewhere`);
  const folder = join(dirname(path), `.${basename(path)}.patternd-backup`);
  return machinery(path, async () => {
    refuseObstacle(copier, path);
    makeFolder(folder);
    const lock = acquireLock(join(folder, LOCK_FILE), "patternd backup");
    try {
      clear(folder);
      const { made, ...copied } = await copier.copy(from.path, folder, onProgress);
      refuseObstacle(copier, path);
      renameSync(made, path);
      syncPath(dirname(path));
      return { ...copied, path };
    } finally {
      rmSync(folder, { recursive: true, force: true });
      lock.release();
    }
  });
}

async function copierOf(kind: StorePlace["backend"]): Promise<Copier> {
  switch (kind) {
    case "filesystem":
      return (await import("./filesystem/backup.ts")).filesystemCopier;
    case "sqlite":
      return (await import("./sqlite/backup.ts")).sqliteCopier;
  }
}

function refuseObstacle(copier: Copier, path: string): void {
  const obstacle = copier.obstacle(path);
  if (obstacle !== undefined) throw new PatterndError("backup_exists", `${obstacle} exists already`);
}

/** What a killed backup left. */
function clear(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name !== LOCK_FILE) rmSync(join(folder, name), { recursive: true });
  }
}

/** The system's errors in our terms. */
async function machinery<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof PatterndError || systemCode(cause) === undefined) throw cause;
    throw new PatterndError("backup_failed", `no backup at ${path}: ${messageOf(cause)}`, { cause });
  }
}
