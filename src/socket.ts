/** Unix sockets: born with their final mode, never in the place of a live one, removed only while still ours. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { connect, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { messageOf, PatterndError, systemCode } from "./errors.ts";
import { MAX_SOCKET_BYTES, MAX_SOCKET_FOLDER_BYTES } from "./socket-path.ts";

const PROBE_MS = 1_000;

/** Where to listen: on a socket of our own at a path, or, if there is an `fd`, on the one that was handed over. */
export interface SocketPlace {
  readonly socket: string;
  readonly mode: number;
  readonly fd: number | undefined;
}

export interface ListeningSocket {
  /** Somebody else holds it too: who connects after it is closed here waits there for the next one who listens. */
  readonly isGiven: boolean;
  /** Removes the socket's file if it is still this server's: nobody new finds the way. */
  hide(): void;
  /** Hides it, and accepts no more. Open connections go on; what still waits in the kernel is refused. */
  close(): void;
}

/**
 * Listens on a Unix socket. One that was handed over stays as it is, whatever happens. Our own is bound below a
 * private folder in the one where it belongs (of which alone we know that we may write there, and that it is the same
 * file system), given its mode there, and moved out: nobody can connect before, and a stale socket is replaced without
 * a gap.
 *
 * @throws PatterndError `socket_in_use`, `socket_path_too_long`, `socket_unusable`.
 */
export async function listenOn(server: Server, { socket, mode, fd }: SocketPlace): Promise<ListeningSocket> {
  return fd === undefined ? listenAt(server, socket, mode) : listenOnGiven(server, fd);
}

async function listenOnGiven(server: Server, fd: number): Promise<ListeningSocket> {
  try {
    await listen(server, { fd });
  } catch (cause) {
    throw new PatterndError("socket_unusable", `can't listen on descriptor ${fd}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return { isGiven: true, hide() {}, close: () => server.close() };
}

async function listenAt(server: Server, path: string, mode: number): Promise<ListeningSocket> {
  const folder = dirname(path);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await refuseIfTaken(path);
    if (Buffer.byteLength(path) > MAX_SOCKET_BYTES || Buffer.byteLength(folder) > MAX_SOCKET_FOLDER_BYTES) {
      throw new PatterndError("socket_path_too_long", `the socket path ${path} is too long`);
    }
    const nursery = mkdtempSync(`${folder}/.`);
    try {
      const birthplace = join(nursery, "s");
      await listen(server, { path: birthplace });
      chmodSync(birthplace, mode);
      renameSync(birthplace, path);
    } finally {
      rmSync(nursery, { recursive: true, force: true });
    }
  } catch (error) {
    server.close();
    if (error instanceof PatterndError) throw error;
    throw new PatterndError("socket_unusable", `can't listen on ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const born = lstatSync(path);
  const hide = () => {
    if (isSame(lstatSync(path, { throwIfNoEntry: false }), born)) unlinkSync(path);
  };
  return {
    isGiven: false,
    hide,
    close() {
      hide();
      server.close();
    },
  };
}

/** Who connects while the daemon is busy or restarts waits in the kernel: as many as the kernel lets, not Node's 511. */
const BACKLOG = 65_535;

function listen(server: Server, at: { path: string } | { fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(at, BACKLOG, () => {
      server.off("error", reject);
      // From here on only an accept can fail (no descriptors left), which is the connecting side's to see.
      server.on("error", () => {});
      resolve();
    });
  });
}

async function refuseIfTaken(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (!there) return;
  if (!there.isSocket()) {
    throw new PatterndError("socket_unusable", `${path} exists and is not a socket`, {
      hint: "Move it away, or configure another path for the socket.",
    });
  }
  if (await answers(path))
    throw new PatterndError("socket_in_use", `something answers on ${basename(path)} at ${path}`);
}

/** A refused connection means that nobody listens any more; anything else is taken for a live socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const done = (live: boolean) => {
      probe.destroy();
      resolve(live);
    };
    probe.setTimeout(PROBE_MS, () => done(true));
    probe.once("connect", () => done(true));
    probe.once("error", (error) =>
      done(systemCode(error) !== "ECONNREFUSED" && systemCode(error) !== "ENOENT"),
    );
  });
}

function isSame(a: Stats | undefined, b: Stats): boolean {
  return a !== undefined && a.ino === b.ino && a.dev === b.dev;
}
