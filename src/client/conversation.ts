/** One connection that said hello: lines one way, acknowledgements the other. */
import { connect, type Socket } from "node:net";
import { ackIn, isHello, type LineRejection, receiptIn, rejectionIn } from "./replies.ts";

/** A longer reply is not a daemon's. */
const MAX_REPLY_BYTES = 64 * 1024;
const NEWLINE = 10;

export interface Listener {
  /** Lines may be written. */
  greeted(): void;
  /** So many more lines are settled. */
  settled(lines: number): void;
  rejected(rejection: LineRejection): void;
  /** The end, once: nobody listens on any of the sockets, or the connection broke, or it spoke another language. */
  ended(): void;
}

/** None of it keeps the process alive, as long as the kernel takes at once what is written. */
export class Conversation {
  readonly #listener: Listener;
  #socket: Socket | undefined;
  #isGreeted = false;
  #isEnded = false;
  #acked = 0;

  /** `sockets`: best first. */
  constructor(sockets: readonly string[], listener: Listener) {
    this.#listener = listener;
    this.#open(sockets).catch(() => this.end());
  }

  get isGreeted(): boolean {
    return this.#isGreeted && !this.#isEnded;
  }

  write(lines: string): void {
    this.#socket?.write(lines);
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#socket?.destroy();
    this.#listener.ended();
  }

  async #open(sockets: readonly string[]): Promise<void> {
    const { default: ndjson } = await import("ndjson");
    for (const path of sockets) {
      if (this.#isEnded) return;
      const socket = await connected(path);
      if (!socket) continue;
      this.#socket = socket;
      if (this.#isEnded) {
        socket.destroy();
        return;
      }
      const parser = ndjson.parse();
      parser.on("data", (reply: unknown) => this.#hear(reply));
      parser.on("error", () => this.end());
      parser.on("end", () => this.end());
      let unfinished = 0;
      socket.on("data", (chunk) => {
        const end = chunk.lastIndexOf(NEWLINE);
        unfinished = chunk.length - end - 1 + (end < 0 ? unfinished : 0);
        if (unfinished > MAX_REPLY_BYTES) this.end();
        else parser.write(chunk);
      });
      socket.on("error", () => {});
      socket.on("close", () => this.end());
      socket.write('{"hello":1,"ack":true}\n');
      return;
    }
    this.end();
  }

  #hear(reply: unknown): void {
    if (this.#isEnded) return;
    if (!this.#isGreeted) {
      if (isHello(reply)) this.#greet();
      else this.end();
      return;
    }
    const rejection = rejectionIn(reply);
    if (rejection) this.#listener.rejected(rejection);
    const lines = ackIn(reply) ?? receiptIn(reply)?.lines ?? 0;
    if (lines <= this.#acked) return;
    const more = lines - this.#acked;
    this.#acked = lines;
    this.#listener.settled(more);
  }

  #greet(): void {
    this.#isGreeted = true;
    this.#listener.greeted();
  }
}

function connected(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.unref();
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", () => resolve(undefined));
  });
}
