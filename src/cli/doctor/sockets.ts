/** Whether somebody listens on the sockets, and if not, why. */
import { lstatSync, type Stats } from "node:fs";
import { connect } from "node:net";
import { systemCode } from "../../errors.ts";
import { type Look, ok, trouble, warning } from "./finding.ts";

const CONNECT_MS = 2_000;

/** `isNeeded`: without this one nothing works; the control socket is for its owner alone. */
export async function lookAtSocket(name: string, path: string, isNeeded: boolean): Promise<Look> {
  const check = `${name} socket`;
  const failed = isNeeded ? trouble : warning;
  let stats: Stats;
  try {
    stats = lstatSync(path);
  } catch (error) {
    if (systemCode(error) === "EACCES")
      return failed(check, `${path}: this user may not enter its folder`, accessAdvice(name));
    return failed(check, `${path} is not there`, "Start the daemon: `patternd start`.");
  }
  if (!stats.isSocket())
    return trouble(check, `${path} is no socket`, "Move it away, or configure another path for the socket.");
  const code = await connectCode(path);
  const mode = (stats.mode & 0o777).toString(8).padStart(4, "0");
  switch (code) {
    case undefined:
      return ok(check, `${path} answers (mode ${mode})`);
    case "ECONNREFUSED":
      return failed(
        check,
        `${path} is stale: nobody listens on it`,
        "A daemon ended without cleaning up. Start it again: `patternd start` replaces the socket.",
      );
    case "EACCES":
      return failed(
        check,
        `${path} has mode ${mode} and belongs to user ${stats.uid}, group ${stats.gid}; you are ${process.getuid?.()}`,
        accessAdvice(name),
      );
    default:
      return failed(
        check,
        `${path} does not answer (${code})`,
        "The daemon may be stopped or hang: look at its log.",
      );
  }
}

/** Also where its folder is not for this user. */
export function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    return systemCode(error) === "EACCES";
  }
}

function accessAdvice(name: string): string {
  return `Ask as its owner, or configure ${name}.mode (such as "0660") and be in its group.`;
}

function connectCode(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.setTimeout(CONNECT_MS, () => done("ETIMEDOUT"));
    socket.on("connect", () => done(undefined));
    socket.on("error", (error) => done(systemCode(error) ?? "EIO"));
    const done = (code: string | undefined) => {
      socket.destroy();
      resolve(code);
    };
  });
}
