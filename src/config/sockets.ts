/** Where clients look for a daemon. Light: `emit` runs this for every pattern, so nothing here validates. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import {
  configFiles,
  type Environment,
  homeFolder,
  resolvePath,
  type SocketName,
  SYSTEM_RUNTIME_FOLDER,
  socketIn,
  userPlaces,
} from "./places.ts";

/** The part of the configuration that clients need; a loaded `Config` has it too. All paths are absolute. */
export interface SocketPaths {
  readonly ingest: { readonly socket: string };
  readonly query: { readonly socket: string };
  readonly control: { readonly socket: string };
}

/** What `emit` needs: the sockets, and where to leave a pattern when nobody answers. */
export interface ClientPaths extends SocketPaths {
  readonly outbox: { readonly path: string };
}

/**
 * What the configuration file says about sockets and outbox; where it says nothing usable, or can't be read, the
 * user's own places. Never throws: an emitter must not fail over a faulty file, the daemon reports it.
 * systemd's variables are left aside: a client that is itself a service has those of that service.
 */
export function readSocketPaths(env: Environment, file?: string): ClientPaths {
  const home = homeFolder(env);
  const places = userPlaces(env, home);
  const found = readFirst(configFiles(env, home, file).files);
  const pathAt = (section: string, key: string, otherwise: string) => {
    const path = at(at(found?.content, section), key);
    const usable = found !== undefined && typeof path === "string" && path !== "";
    return usable ? resolvePath(path, dirname(found.file), home) : otherwise;
  };
  const socket = (name: SocketName) => ({ socket: pathAt(name, "socket", socketIn(places.runtime, name)) });
  return {
    ingest: socket("ingest"),
    query: socket("query"),
    control: socket("control"),
    outbox: { path: pathAt("outbox", "path", resolve(places.state, "outbox")) },
  };
}

/**
 * For each socket the paths to try, best first, each once. `flag` is what `--socket` says: the ingest socket, beside
 * which the others are looked for, as they are beside `$PATTERND_SOCKET`.
 */
export function clientSockets(
  config: SocketPaths,
  env: Environment,
  flag?: string,
): Record<SocketName, readonly string[]> {
  const explicit = [flag, env.PATTERND_SOCKET].flatMap((path) => (path ? [resolve(path)] : []));
  const folders = [...ownFolders(env), SYSTEM_RUNTIME_FOLDER];
  const candidates = (name: SocketName) => {
    const first = name === "ingest" ? explicit : explicit.map((path) => socketIn(dirname(path), name));
    const rest = folders.map((folder) => socketIn(folder, name));
    return [...new Set([...first, config[name].socket, ...rest])];
  };
  return { ingest: candidates("ingest"), query: candidates("query"), control: candidates("control") };
}

/**
 * The user's own place may be seen differently by daemon and client: cron jobs and hooks often lack
 * `XDG_RUNTIME_DIR`, which a daemon under systemd always has, so systemd's value for it is tried as well.
 */
function ownFolders(env: Environment): string[] {
  const { runtime, state } = userPlaces(env, homeFolder(env));
  const uid = process.getuid?.();
  const usual = runtime === state && uid !== undefined ? [`/run/user/${uid}/patternd`] : [];
  return [runtime, ...usual, state];
}

function readFirst(files: readonly string[]): { file: string; content: unknown } | undefined {
  for (const file of files) {
    try {
      return { file, content: JSON.parse(readFileSync(file, "utf8")) };
    } catch (error) {
      if (!isMissing(error)) return undefined;
    }
  }
  return undefined;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

function at(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
