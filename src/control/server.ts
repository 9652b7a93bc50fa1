import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { Hono } from "hono";
import { type ListeningSocket, listenOn, type SocketPlace } from "../socket.ts";
import { Turns } from "./turns.ts";

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
    const answer = async (request: IncomingMessage, response: ServerResponse) => {
      // The answer before may have set a limit (held-pages.ts), which was its own.
      request.socket.setTimeout(0);
      const over = new Promise<void>((resolve) => response.once("close", () => resolve()));
      loading ??= listener(load);
      const attempt = loading;
      try {
        const listen = await attempt;
        if (!response.destroyed) listen(request, response);
      } catch (error) {
        if (loading === attempt) loading = undefined;
        onFailed(error);
        response.writeHead(500).end();
      }
      await over;
    };
    const turns = new WeakMap<Socket, Turns>();
    const server = createServer((request, response) => {
      const { socket } = request;
      // No question has a body: unread, it would hide that its asker hangs up.
      request.resume();
      const own = turns.get(socket) ?? new Turns(1);
      turns.set(socket, own);
      // One may wait: who asks has the whole of a page before its end is known here. With another one, those who don't
      // read could ask for any number.
      if (own.waiting > 0) socket.destroy();
      else void own.run(undefined, async () => (socket.destroyed ? undefined : answer(request, response)));
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
