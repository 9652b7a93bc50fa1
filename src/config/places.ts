/**
 * Where things are when the configuration does not say: functions of the environment, without valibot, because
 * `emit` shares them and must start fast. Variables that the XDG specification or systemd would not set so (empty,
 * relative) count as absent.
 */
import { userInfo } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

export type SocketName = "ingest" | "query" | "control";

/** The descriptors of sockets that somebody else holds for the daemon. */
export type GivenSockets = Readonly<Partial<Record<SocketName, number>>>;

/** Where the sockets of a daemon that systemd runs for everybody are. */
export const SYSTEM_RUNTIME_FOLDER = "/run/patternd";

/** Where its log file is, if it has one. */
export const SYSTEM_LOGS_FOLDER = "/var/log/patternd";

/** Folders of one daemon, absolute. */
export interface Places {
  /** Sockets. */
  readonly runtime: string;
  /** Store, spool, outbox, rejected lines. */
  readonly state: string;
  /** What a relative `log.file` is relative to; undefined: the folder of the configuration file. */
  readonly logs: string | undefined;
}

/** A user without an entry in the user database and without `HOME` (containers) has no home but the root. */
export function homeFolder(env: Environment): string {
  const named = absolute(env.HOME);
  if (named !== undefined) return named;
  try {
    return userInfo().homedir;
  } catch {
    return "/";
  }
}

export function userPlaces(env: Environment, home: string): Places {
  const state = join(absolute(env.XDG_STATE_HOME) ?? join(home, ".local", "state"), "patternd");
  return { state, runtime: userRuntime(env) ?? state, logs: undefined };
}

/** systemd's variables (systemd.exec(5)) hold lists, of which the first is ours. */
export function daemonPlaces(env: Environment, home: string): Places {
  const state = firstFolder(env.STATE_DIRECTORY) ?? userPlaces(env, home).state;
  const runtime = firstFolder(env.RUNTIME_DIRECTORY) ?? userRuntime(env) ?? state;
  return { state, runtime, logs: firstFolder(env.LOGS_DIRECTORY) };
}

export function socketIn(folder: string, name: SocketName): string {
  return join(folder, `${name}.sock`);
}

/** Where the configuration is looked for, in order; a file that somebody named must be there. */
export function configFiles(
  env: Environment,
  home: string,
  named?: string,
): { readonly files: readonly string[]; readonly mustExist: boolean } {
  const only = named ?? (env.PATTERND_CONFIG || undefined);
  if (only !== undefined) return { files: [resolve(only)], mustExist: true };
  const own = absolute(env.XDG_CONFIG_HOME) ?? join(home, ".config");
  return { files: [join(own, "patternd", "config.json"), "/etc/patternd/config.json"], mustExist: false };
}

/** A path as the configuration may write it: absolute, from the home folder (`~/`), or relative to `base`. */
export function resolvePath(path: string, base: string, home: string): string {
  if (path === "~") return home;
  return path.startsWith("~/") ? join(home, path.slice(2)) : resolve(base, path);
}

function userRuntime(env: Environment): string | undefined {
  const runtime = absolute(env.XDG_RUNTIME_DIR);
  return runtime === undefined ? undefined : join(runtime, "patternd");
}

function firstFolder(list: string | undefined): string | undefined {
  return absolute(list?.split(":")[0]);
}

function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}
