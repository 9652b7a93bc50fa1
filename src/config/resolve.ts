/** From what the file says to what the daemon works with: paths absolute, modes as numbers, nothing left open. */
import { dirname, join } from "node:path";
import { Zone } from "../pattern/zone.ts";
import { MAX_SOCKET_BYTES, MAX_SOCKET_FOLDER_BYTES } from "../socket-path.ts";
import { sqlitePath } from "../sqlite-path.ts";
import type { Fault } from "./keys.ts";
import {
  daemonPlaces,
  type Environment,
  type GivenSockets,
  resolvePath,
  type SocketName,
  socketIn,
} from "./places.ts";
import type { Settings } from "./schema.ts";

const SOCKETS: readonly SocketName[] = ["ingest", "query", "control"];

export interface Origin {
  /** Which file was read; undefined when there is none. */
  readonly file: string | undefined;
  readonly env: Environment;
  readonly home: string;
  readonly given: GivenSockets;
}

type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;

/**
 * The whole configuration, deeply frozen. Paths are absolute, `mode` is a number, and the unit of every other number
 * is in its name. `file` is the file that was read; undefined when only defaults apply.
 */
export type Config = Frozen<ReturnType<typeof resolveSettings>>;

export function resolveSettings(settings: Settings, { file, env, home, given }: Origin) {
  const places = daemonPlaces(env, home);
  const base = file === undefined ? places.state : dirname(file);
  const path = (own: string | null, standard: string) =>
    own === null ? join(places.state, standard) : resolvePath(own, base, home);
  const optional = (own: string | null, from = base) => (own === null ? null : resolvePath(own, from, home));
  const listener = <T extends Settings[SocketName]>(name: SocketName, own: T) => ({
    ...own,
    socket: optional(own.socket) ?? socketIn(places.runtime, name),
    mode: Number.parseInt(own.mode, 8),
    /** The socket that was handed over in the place of `socket`. */
    fd: given[name],
  });
  const store = path(settings.path, "patterns");
  return {
    ...settings,
    file,
    path: settings.backend === "sqlite" ? sqlitePath(store) : store,
    timezone: settings.timezone ?? Zone.host().id,
    ingest: listener("ingest", settings.ingest),
    query: listener("query", settings.query),
    control: listener("control", settings.control),
    queue: { ...settings.queue, spoolPath: path(settings.queue.spoolPath, "spool") },
    outbox: { ...settings.outbox, path: path(settings.outbox.path, "outbox") },
    rejected: { ...settings.rejected, path: path(settings.rejected.path, "rejected") },
    metrics: { textfile: optional(settings.metrics.textfile) },
    log: { ...settings.log, file: optional(settings.log.file, places.logs) },
  };
}

/** Faults that only show once every path is known, whether configured or a default. */
export function socketFaults(config: Config): Fault[] {
  const faults: Fault[] = [];
  for (const [index, name] of SOCKETS.entries()) {
    const { socket, fd } = config[name];
    if (fd !== undefined) continue;
    const keys = [name, "socket"];
    const bytes = Buffer.byteLength(socket);
    const folderBytes = Buffer.byteLength(dirname(socket));
    if (bytes > MAX_SOCKET_BYTES) {
      const text = `expected a path of at most ${MAX_SOCKET_BYTES} bytes, got ${bytes} bytes: ${socket}`;
      faults.push({ keys, text });
    } else if (folderBytes > MAX_SOCKET_FOLDER_BYTES) {
      const text = `expected a folder whose path has at most ${MAX_SOCKET_FOLDER_BYTES} bytes, got ${folderBytes} bytes: ${socket}`;
      faults.push({ keys, text });
    }
    const twin = SOCKETS.slice(0, index).find(
      (other) => config[other].fd === undefined && config[other].socket === socket,
    );
    if (twin)
      faults.push({ keys, text: `expected a path of its own, got that of ${twin}.socket: ${socket}` });
  }
  return faults;
}
