/** Sockets that systemd holds for the daemon (sd_listen_fds(3)): they outlive it, so that senders never find none. */
import { fstatSync } from "node:fs";
import type { Environment, GivenSockets, SocketName } from "../config/places.ts";
import { PatterndError } from "../errors.ts";

const FIRST_FD = 3;
const NAMES: readonly string[] = ["ingest", "query", "control"] satisfies SocketName[];
const VARIABLES = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/**
 * What was handed over to this very process; it takes the place of the configured paths. The order of descriptors
 * is not that of the units, so only their names count.
 *
 * @throws PatterndError `activation_unusable`: a name that is unknown or there twice, or a descriptor that is no socket.
 */
export function givenSockets(env: Environment, pid = process.pid): GivenSockets {
  if (Number(env.LISTEN_PID) !== pid) return {};
  const count = Number(env.LISTEN_FDS);
  const names = (env.LISTEN_FDNAMES ?? "").split(":");
  const given: Partial<Record<SocketName, number>> = {};
  for (let index = 0; index < count; index += 1) {
    const name = names[index] ?? "";
    if (!isSocketName(name)) throw unusable(`expected sockets named ${NAMES.join(", ")}, got ${shown(name)}`);
    if (given[name] !== undefined) throw unusable(`expected one socket named ${name}, got another`);
    const fd = FIRST_FD + index;
    if (!isSocket(fd)) throw unusable(`expected ${name} (descriptor ${fd}) to be a socket`);
    given[name] = fd;
  }
  return given;
}

/** Meant for this process alone, not for those that it starts. */
export function forgetActivation(env: NodeJS.ProcessEnv): void {
  for (const variable of VARIABLES) delete env[variable];
}

function isSocketName(name: string): name is SocketName {
  return NAMES.includes(name);
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}

function unusable(message: string): PatterndError {
  return new PatterndError("activation_unusable", message);
}

function shown(name: string): string {
  return name === "" ? "one without a name" : JSON.stringify(name);
}
