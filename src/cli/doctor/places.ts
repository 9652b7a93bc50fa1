/** The folders that the daemon works in: whose they are, who may look into them, and whether there is room. */
import { existsSync, readdirSync, type Stats, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../../errors.ts";
import { counted } from "../progress.ts";
import { type Look, ok, trouble, warning } from "./finding.ts";

const MiB = 1024 * 1024;
const FULL_BYTES = 64 * MiB;
const LOW_BYTES = 1024 * MiB;

/** Whose the daemon's files are to be: its own, if it runs, or whoever's the store is, if that is for root to say. */
export function ownerOf(pid: number | undefined, store: string): number | undefined {
  const own = process.getuid?.();
  const stats =
    statOf(pid === undefined ? undefined : `/proc/${pid}`) ?? (own === 0 ? statOf(store) : undefined);
  return stats?.uid ?? own;
}

function statOf(path: string | undefined): Stats | undefined {
  try {
    return path === undefined ? undefined : statSync(path);
  } catch {
    return undefined;
  }
}

/** `owner`: whose it is to be. */
export function lookAtOwner(check: string, path: string, owner: number | undefined): Look {
  let stats: Stats | undefined;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    return trouble(check, `${path}: ${messageOf(error)}`, "Ask as the user whom the daemon runs as.");
  }
  if (!stats) return ok(check, `${path} is not there yet`);
  if (stats.uid !== owner)
    return trouble(
      check,
      `${path} belongs to user ${stats.uid}, the daemon's are user ${owner}'s`,
      `Run the daemon as that user; or give it to the daemon's: chown -R ${owner} ${path}`,
    );
  if ((stats.mode & 0o600) !== 0o600)
    return trouble(check, `${path} can't be written by its owner`, `chmod u+rwX ${path}`);
  const mode = stats.mode & 0o777;
  // The outbox of a system daemon is for a group, by design.
  if ((mode & 0o007) !== 0)
    return warning(check, `${path} is open to everybody (mode ${mode.toString(8)})`, `chmod o-rwx ${path}`);
  const whose = owner === process.getuid?.() ? "yours" : "the daemon's";
  return ok(check, `${path} is ${whose} (mode 0${mode.toString(8)})`);
}

export function lookAtDisk(check: string, path: string): Look {
  const there = nearest(path);
  try {
    const { bavail, bsize, files, ffree } = statfsSync(there);
    const free = bavail * bsize;
    const room = `${counted(Math.round(free / MiB), "MiB")} free at ${there}`.replace("MiBs", "MiB");
    // Some file systems count no files.
    if (files > 0 && ffree === 0)
      return trouble(
        check,
        `no file can be made any more at ${there}`,
        "Remove files there: it has no inodes left.",
      );
    if (free < FULL_BYTES)
      return trouble(
        check,
        room,
        "Make room, or lower retention.days; until then lines may go to the spool, or nowhere.",
      );
    if (free < LOW_BYTES) return warning(check, room, "Make room, or set retention.maxBytes.");
    return ok(check, room);
  } catch (error) {
    return trouble(check, `${there}: ${messageOf(error)}`, "Check that the disk is mounted and healthy.");
  }
}

/** What waits in a folder of the daemon's for it to run. */
export function lookAtWaiting(check: string, folder: string, isRunning: boolean): Look {
  let names: string[] = [];
  try {
    if (existsSync(folder)) names = readdirSync(folder).filter((name) => !name.startsWith("."));
  } catch (error) {
    return warning(check, `${folder}: ${messageOf(error)}`, "Ask as the user whom the daemon runs as.");
  }
  if (names.length === 0) return ok(check, "nothing waits");
  const waiting = `${counted(names.length, "file")} in ${folder}`;
  if (!isRunning) return warning(check, waiting, "Start the daemon: it takes them in.");
  return ok(check, `${waiting}, about to be taken in`);
}

function nearest(path: string): string {
  let there = path;
  while (!existsSync(there) && there !== dirname(there)) there = dirname(there);
  return there;
}
