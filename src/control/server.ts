import { createServer, type RequestListener, type Server } from "node:http";
import type { Socket } from "node:net";
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
    const busy = new WeakSet<Socket>();
    const server = createServer(async (request, response) => {
      const { socket } = request;
      // Else what is held for those who don't read had no bound: one could ask for any number of answers.
      if (busy.has(socket)) {
        socket.destroy();
        return;
      }
      busy.add(socket);
      response.once("close", () => busy.delete(socket));
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

  /** Ends the requests that are under way, too. */
  stop(): void {
    this.#socket.close();
    this.#server.closeAllConnections();
  }
}

async function listener(load: Served["load"]): Promise<RequestListener> {
  const [{ getRequestListener }, app] = await Promise.all([import("@hono/node-server"), load()]);
  return getRequestListener(app.fetch, { overrideGlobalObjects: false });
}
