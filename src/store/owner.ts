/** Whose a store is. Files that root made in another user's store are closed to that user, and its daemon would not start. */
import { readFileSync, statSync } from "node:fs";
import { PatterndError } from "../errors.ts";

const USERS = "/etc/passwd";

/**
 * To be asked before anything is written. Anybody but root is held off by the system itself.
 *
 * @param mark the file that makes a store of the place; where there is none yet, whoever comes may make one. It says more
 * than a folder, which may be a volume that somebody else made for root's store.
 * @throws PatterndError `store_of_another_user`
 */
export function refuseForAnother(mark: string): void {
  if (process.geteuid?.() !== 0) return;
  const stats = statSync(mark, { throwIfNoEntry: false });
  if (!stats || stats.uid === 0) return;
  const { uid, gid } = stats;
  const name = nameOf(uid);
  const owner = name === undefined ? `user ${uid}` : `${name} (user ${uid})`;
  const become =
    name === undefined ? `setpriv --reuid=${uid} --regid=${gid} --clear-groups` : `sudo -u ${name}`;
  throw new PatterndError(
    "store_of_another_user",
    `${mark} belongs to ${owner}, who could not use the store any more once root has written to it`,
    {
      hint: `Run it as that user: \`${become} patternd …\`. If the store is to be root's, give root all its files first (chown).`,
    },
  );
}

/** Undefined if the user is from elsewhere (a directory service, another container). */
function nameOf(uid: number): string | undefined {
  let users: string;
  try {
    users = readFileSync(USERS, "utf8");
  } catch {
    return undefined;
  }
  return new RegExp(`^([\\w.-]+):[^:]*:${uid}:`, "m").exec(users)?.[1];
}
