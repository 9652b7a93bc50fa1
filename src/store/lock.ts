import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { messageOf, PatterndError, systemCode } from "../errors.ts";
import { refuseForAnother } from "./owner.ts";
import { isObstacle } from "./plain-file.ts";

/** The one writer of a store, or of a spool. The kernel drops the lock when the process ends, however it ends. */
export interface WriterLock {
  release(): void;
}

interface NativeLock {
  tryLock(fd: number): boolean;
}

/**
 * Takes the lock on `file`, which is created and never removed: removing a lock file while another process
 * opens it would let two hold it. What stands in it is for people, and for
 * `probableHolder`.
 *
 * @throws PatterndError `store_locked` (or `spool_locked`), naming the holder; `lock_unavailable` where there is no
 * such lock.
 */
export function acquireLock(file: string, holder: string, what: "store" | "spool" = "store"): WriterLock {
  const native = loadNative();
  const fd = openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    if (!native.tryLock(fd)) {
      const other = readFileSync(fd, "utf8").trim() || "another process";
      throw new PatterndError(`${what}_locked`, `the ${what}'s lock ${file} is held by ${other}`);
    }
    writeName(fd, `${holder}, pid ${process.pid}, since ${new Date().toISOString()}\n`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      try {
        // So that `probableHolder` need not guess.
        ftruncateSync(fd);
      } finally {
        closeSync(fd);
      }
    },
  };
}

/** A full disk may have no room for it: the lock is held all the same. */
function writeName(fd: number, name: string): void {
  ftruncateSync(fd);
  try {
    writeSync(fd, name, 0);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

/**
 * The same for a store, which is to be written to from here on.
 *
 * @param mark the file that makes a store of the place
 * @throws PatterndError `store_of_another_user`, besides those above.
 */
export function lockStore(mark: string, file: string, holder: string): WriterLock {
  refuseForAnother(mark);
  return acquireLock(file, holder);
}

/**
 * The process that wrote its name into the lock, if it is still alive, without touching the lock. It may be wrong where
 * process ids of another container stand in there, or were given to another process since, or where a full disk had no
 * room for the name.
 */
export function probableHolder(file: string): number | undefined {
  const [, written] = /, pid (\d+), /.exec(readText(file)) ?? [];
  if (written === undefined) return undefined;
  const pid = Number(written);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (systemCode(error) !== "EPERM") return undefined;
  }
  return pid;
}

function readText(file: string): string {
  try {
    return isObstacle(file) ? "" : readFileSync(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return "";
    throw error;
  }
}

/** Node has no file locks; this package has prebuilt ones for every system but musl Linux. */
function loadNative(): NativeLock {
  try {
    const native: unknown = createRequire(import.meta.url)("fs-native-extensions");
    if (isNativeLock(native)) return native;
  } catch (cause) {
    throw new PatterndError("lock_unavailable", `no file lock on this system: ${messageOf(cause)}`, {
      cause,
    });
  }
  throw new PatterndError(
    "lock_unavailable",
    "no file lock on this system: fs-native-extensions lacks tryLock",
  );
}

function isNativeLock(value: unknown): value is NativeLock {
  return (
    typeof value === "object" && value !== null && "tryLock" in value && typeof value.tryLock === "function"
  );
}
