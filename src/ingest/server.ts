import { createServer, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { type ListeningSocket, listenOn } from "../socket.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { UnfinishedBudget } from "./unfinished.ts";

export interface IngestOptions extends Omit<ConnectionOptions, "budget"> {
  readonly socket: string;
  readonly mode: number;
  readonly maxConnections: number;
  readonly unfinishedBytes: number;
  readonly onRefused: () => void;
}

/** The ingest socket: any number of senders, each a Connection. */
export class IngestServer {
  readonly #options: ConnectionOptions;
  readonly #connections = new Set<Connection>();
  #socket: ListeningSocket | undefined;
  #accepted = 0;

  private constructor(options: IngestOptions) {
    this.#options = { ...options, budget: new UnfinishedBudget(options.unfinishedBytes) };
  }

  /** @throws PatterndError as `listenOn` does. */
  static async listen(options: IngestOptions): Promise<IngestServer> {
    const ingest = new IngestServer(options);
    // Half-open: a sender that has finished still gets its receipt.
    const server = createServer({ allowHalfOpen: true }, (socket) => ingest.#accept(socket));
    server.maxConnections = options.maxConnections;
    server.on("drop", options.onRefused);
    ingest.#socket = await listenOn(server, options.socket, options.mode);
    return ingest;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Takes in those who are connected already, even if only in the kernel, and nobody else; reads what is on its
   * way. Resolves when nothing more is read, at the latest after `timeoutMs`.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#socket?.hide();
    for (let before = -1; before < this.#accepted; ) {
      before = this.#accepted;
      // libuv accepts one connection a turn, and the first turn may have polled already.
      await setImmediate();
      await setImmediate();
    }
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

  #accept(socket: Socket): void {
    this.#accepted += 1;
    const connection = new Connection(socket, this.#options);
    this.#connections.add(connection);
    connection.closed.then(() => this.#connections.delete(connection));
  }
}
