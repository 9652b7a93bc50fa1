import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { Hono } from "hono";
import { type ListeningSocket, listenOn, type SocketPlace } from "../socket.ts";

/** Who asks comes and goes; more at once are closed, so that they never take the descriptors that the store needs. */
const MAX_CONNECTIONS = 64;

export interface Served {
  /** With the first request: what answers takes 8 MiB, and many a daemon is never asked anything. */
  readonly load: () => Promise<Hono>;
  readonly onFailed: (error: unknown) => void;
}

/** HTTP on a Unix socket. */
export class ControlServer {
  readonly #server: Server;
  readonly #socket: ListeningSocket;

  private constructor(server: Server, socket: ListeningSocket) {
    this.#server = server;
    this.#socket = socket;
  }

  /** @throws PatterndError as `listenOn` does. */
  static async listen({ load, onFailed }: Served, place: SocketPlace): Promise<ControlServer> {
    let loading: Promise<RequestListener> | undefined;
    const turns = new Turns();
    const server = createServer(async (request, response) => {
      // No question has a body: unread, it would hide that its asker hangs up.
      request.resume();
      if (!(await turns.take(request.socket, response))) return;
      loading ??= listener(load);
      const attempt = loading;
      try {
        const answer = await attempt;
        if (!response.destroyed) answer(request, response);
      } catch (error) {
        if (loading === attempt) loading = undefined;
        onFailed(error);
        response.writeHead(500).end();
      }
    });
    server.maxConnections = MAX_CONNECTIONS;
    return new ControlServer(server, await listenOn(server, place));
  }

  /** Ends the requests that are under way, too, once what was answered just now is on its way. */
  async stop(): Promise<void> {
    this.#socket.close();
    await setImmediate();
    this.#server.closeAllConnections();
  }
}

/**
 * The questions of a connection, one after the other. One may wait: who asks has the whole of a page before its end
 * is known here. With another one the connection is closed, else those who don't read could ask for any number.
 */
class Turns {
  readonly #unanswered = new WeakMap<Socket, { count: number; last: Promise<void> }>();

  /** Resolves when all earlier ones are answered, to whether there is still somebody to be answered. */
  async take(socket: Socket, response: ServerResponse): Promise<boolean> {
    const unanswered = this.#unanswered.get(socket) ?? { count: 0, last: Promise.resolve() };
    this.#unanswered.set(socket, unanswered);
    if (unanswered.count === 2) {
      socket.destroy();
      return false;
    }
    unanswered.count += 1;
    const before = unanswered.last;
    unanswered.last = new Promise((resolve) => {
      response.once("close", () => {
        unanswered.count -= 1;
        resolve();
      });
    });
    await before;
    // The answer before may have set a limit (held-pages.ts), which was its own.
    socket.setTimeout(0);
    return !socket.destroyed;
  }
}

async function listener(load: Served["load"]): Promise<RequestListener> {
  const [{ getRequestListener }, { badQuestion }, app] = await Promise.all([
    import("@hono/node-server"),
    import("./problem.ts"),
    load(),
  ]);
  return getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    // Whoever asks a socket may name no host.
    hostname: "patternd",
    errorHandler: badQuestion,
  });
}
