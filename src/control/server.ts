import { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";
import { PatterndError } from "../errors.ts";
import { type ListeningSocket, listenOn, type SocketPlace } from "../socket.ts";

/** Who asks comes and goes; more at once are closed, so that they never take the descriptors that the store needs. */
const MAX_CONNECTIONS = 64;

/** HTTP on a Unix socket. */
export class ControlServer {
  readonly #server: Server;
  readonly #socket: ListeningSocket;

  private constructor(server: Server, socket: ListeningSocket) {
    this.#server = server;
    this.#socket = socket;
  }

  /** @throws PatterndError as `listenOn` does. */
  static async listen(app: Hono, place: SocketPlace): Promise<ControlServer> {
    const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false });
    if (!(server instanceof Server)) throw new PatterndError("internal", "expected a plain HTTP server");
    server.maxConnections = MAX_CONNECTIONS;
    return new ControlServer(server, await listenOn(server, place));
  }

  /** Ends the requests that are under way, too. */
  stop(): void {
    this.#socket.close();
    this.#server.closeAllConnections();
  }
}
