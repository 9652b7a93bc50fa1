import { createServer, type Server, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { type ListeningSocket, listenOn, type SocketPlace } from "../socket.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { UnfinishedBudget } from "./unfinished.ts";

export interface IngestOptions extends Omit<ConnectionOptions, "budget">, SocketPlace {
  readonly maxConnections: number;
  readonly unfinishedBytes: number;
  readonly onRefused: () => void;
}

/** The ingest socket: any number of senders, each a Connection. */
export class IngestServer {
  readonly #options: ConnectionOptions;
  readonly #connections = new Set<Connection>();
  readonly #server: Server;
  #socket: ListeningSocket | undefined;
  #accepted = 0;

  private constructor(options: IngestOptions) {
    this.#options = { ...options, budget: new UnfinishedBudget(options.unfinishedBytes) };
    // Half-open: a sender that has finished still gets its receipt.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    this.#server.on("drop", options.onRefused);
    this.limit(options.maxConnections);
  }

  /** @throws PatterndError as `listenOn` does. */
  static async listen(options: IngestOptions): Promise<IngestServer> {
    const ingest = new IngestServer(options);
    ingest.#socket = await listenOn(ingest.#server, options);
    return ingest;
  }

  /** Who is connected already stays. */
  limit(maxConnections: number): void {
    this.#server.maxConnections = maxConnections;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Takes in those who are connected already and nobody else; reads what is on its way. Those who are connected
   * only in the kernel are taken in too, unless the socket was given: then they wait there for the next daemon. Resolves when nothing more is read, at the latest after `timeoutMs`.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#socket?.hide();
    if (!this.#socket?.isGiven) await this.#acceptWaiting();
    this.#socket?.close();
    const connections = [...this.#connections];
    for (const connection of connections) connection.drain();
    const cut = setTimeout(() => {
      for (const connection of connections) connection.cut();
    }, timeoutMs);
    await Promise.all(connections.map((connection) => connection.ended));
    clearTimeout(cut);
  }

  /** Closes what is still open, whether it has its receipt or not. */
  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  async #acceptWaiting(): Promise<void> {
    for (let before = -1; before < this.#accepted; ) {
      before = this.#accepted;
      // libuv accepts one connection a turn, and the first turn may have polled already.
      await setImmediate();
      await setImmediate();
    }
  }

  #accept(socket: Socket): void {
    this.#accepted += 1;
    const connection = new Connection(socket, this.#options);
    this.#connections.add(connection);
    connection.closed.then(() => this.#connections.delete(connection));
  }
}
