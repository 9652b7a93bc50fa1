/**
 * Where patterns wait for a daemon that was not there: one file an emission, `<uuidv7>.ndjson`, so that the names'
 * order is the order in which they were left. A name that begins with a dot is not finished.
 */
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { configFiles, type Environment, homeFolder } from "../config/places.ts";
import { messageOf, PatterndError, systemCode } from "../errors.ts";

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
/** Who may not read a folder (the system daemon's outbox is read by that daemon alone), or whose file system has no such sync. */
const CANNOT_SYNC = new Set(["EACCES", "EINVAL", "ENOTSUP", "EPERM"]);

export interface Outbox {
  readonly path: string;
  /** Most bytes in the folder. Where it can't be listed: at least as many stay free on its disk. */
  readonly maxBytes: number;
}

/**
 * Leaves the lines for a daemon to take in. What is there survives the end of this process; the file appears whole
 * or not at all.
 *
 * @param isDurable whether it also survives a power cut, for which the caller waits. In a folder that the caller may
 * not read, only its content does: the name is the system's to write.
 * @returns the file.
 * @throws PatterndError `outbox_full`, `outbox_unusable`.
 */
export function leaveInOutbox(
  { path, maxBytes }: Outbox,
  lines: Uint8Array,
  { isDurable }: { isDurable: boolean } = { isDurable: true },
): string {
  const id = uuidv7();
  const unfinished = join(path, `.${id}.tmp`);
  const file = join(path, `${id}.ndjson`);
  try {
    const made = mkdirSync(path, { recursive: true, mode: 0o700 });
    checkRoom({ path, maxBytes }, lines.length);
    publish(unfinished, file, lines, isDurable);
    if (isDurable) syncNames(path, made, file);
    return file;
  } catch (error) {
    if (error instanceof PatterndError) throw error;
    const message = `the outbox ${path} can't be written: ${messageOf(error)}`;
    throw new PatterndError("outbox_unusable", message, { cause: error });
  }
}

/** `outbox.maxBytes` as the configuration file says it, unvalidated for speed; the default where it says nothing. */
export function outboxMaxBytes(env: Environment, file?: string): number {
  for (const candidate of configFiles(env, homeFolder(env), file).files) {
    try {
      const config: unknown = JSON.parse(readFileSync(candidate, "utf8"));
      const maxBytes = at(at(config, "outbox"), "maxBytes");
      return typeof maxBytes === "number" ? maxBytes : DEFAULT_MAX_BYTES;
    } catch (error) {
      if (systemCode(error) !== "ENOENT" && systemCode(error) !== "ENOTDIR") break;
    }
  }
  return DEFAULT_MAX_BYTES;
}

function publish(unfinished: string, file: string, bytes: Uint8Array, isDurable: boolean): void {
  const fd = openSync(unfinished, "wx", 0o600);
  try {
    try {
      // The system daemon is another user. Nobody but it can list its outbox, and the name can't be guessed.
      if (isShared(dirname(file))) fchmodSync(fd, 0o644);
      writeFileSync(fd, bytes);
      if (isDurable) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(unfinished, file);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

/** A file's fsync does not cover its name, nor the names of the folders that were made for it. */
function syncNames(folder: string, firstMade: string | undefined, file: string): void {
  try {
    syncFolder(folder);
    if (firstMade === undefined) return;
    for (let made = folder; made.length >= firstMade.length; made = dirname(made)) syncFolder(dirname(made));
  } catch (error) {
    // It is said to be lost.
    rmSync(file, { force: true });
    throw error;
  }
}

function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (!CANNOT_SYNC.has(systemCode(error) ?? "")) throw error;
  }
}

function isShared(folder: string): boolean {
  const { uid, mode } = statSync(folder);
  return uid !== process.getuid?.() && (mode & 0o020) !== 0;
}

/** @throws PatterndError `outbox_full` */
function checkRoom({ path, maxBytes }: Outbox, wanted: number): void {
  const held = heldBytes(path);
  if ((held ?? 0) + wanted > maxBytes) {
    throw new PatterndError(
      "outbox_full",
      `the outbox ${path} holds ${held ?? 0} of at most ${maxBytes} bytes`,
    );
  }
  if (held !== undefined) return;
  const { bsize, bavail, blocks, ffree, files } = statfsSync(path);
  const spare = Math.max(maxBytes, (bsize * blocks) / 100);
  if (bsize * bavail - wanted >= spare && ffree >= files / 100) return;
  const message = `the outbox ${path} can't be listed, and its disk has only ${bsize * bavail} bytes and ${ffree} files left`;
  const hint = "Start the daemon, which takes the outbox in, or make room on the disk.";
  throw new PatterndError("outbox_full", message, { hint });
}

/** Space on the disk: small files take more of it than their bytes. Undefined for a folder that can't be listed. */
function heldBytes(folder: string): number | undefined {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    // The system daemon's outbox may be written to by many, but listed only by the daemon.
    if (systemCode(error) === "EACCES") return undefined;
    throw error;
  }
  let bytes = 0;
  for (const name of names) {
    const file = lstatSync(join(folder, name), { throwIfNoEntry: false });
    if (file) bytes += Math.max(file.size, file.blocks * 512);
  }
  return bytes;
}

function at(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
