/** Patterns to a daemon over its ingest socket. Light and bounded: an agent waits for this. */
import { connect, type Socket } from "node:net";
import { messageOf } from "../errors.ts";
import { type LineRejection, type Receipt, receiptIn, rejectionIn } from "./replies.ts";

/** Replies beyond this are not a daemon's: it holds back all but 64 KiB of rejections, and a receipt. */
const MAX_REPLY_BYTES = 1024 * 1024;
/** Small enough that a slow but living daemon shows progress between two of them. */
const CHUNK_BYTES = 64 * 1024;

/** Lines that belong together: `bytes` holds `lines` lines, each with its newline. */
export interface Batch {
  readonly bytes: Buffer;
  readonly lines: number;
}

/**
 * `settled`: the daemon's promise for every line; `rejections` may be fewer than the receipt counts.
 * `written`: the kernel has every byte, nothing was awaited. `unreachable`: nobody listens, nothing was sent.
 * `unsettled`: some of it may have arrived; sending it again is harmless.
 */
export type Delivery =
  | { readonly kind: "settled"; readonly receipt: Receipt; readonly rejections: readonly LineRejection[] }
  | { readonly kind: "written" }
  | { readonly kind: "unreachable"; readonly reason: string }
  | { readonly kind: "unsettled"; readonly reason: string };

export interface SendOptions {
  /** Longest silence: for the connection, for the kernel to take more, for the receipt. */
  readonly timeoutMs: number;
  readonly awaitReceipt: boolean;
}

/** Connects, writes everything, half-closes and waits for the receipt. Never rejects. */
export function sendLines(socketPath: string, batch: Batch, options: SendOptions): Promise<Delivery> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    let isConnected = false;
    const finish = (delivery: Delivery) => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(delivery);
    };
    const fail = (reason: string) => finish({ kind: isConnected ? "unsettled" : "unreachable", reason });
    const silence = () => fail(`no answer on ${socketPath} within ${options.timeoutMs} ms`);
    const deadline = setTimeout(silence, options.timeoutMs);
    socket.on("error", (error) => fail(error.message));
    socket.once("connect", () => {
      isConnected = true;
      const onWritten = () => {
        if (!options.awaitReceipt) finish({ kind: "written" });
      };
      writeAll(socket, batch.bytes, () => deadline.refresh(), onWritten);
      if (options.awaitReceipt) {
        readReplies(socket, batch.lines).then(finish, (error) => fail(messageOf(error)));
      }
    });
  });
}

function writeAll(socket: Socket, bytes: Buffer, onProgress: () => void, onWritten: () => void): void {
  const writeFrom = (offset: number) => {
    if (offset >= bytes.length) {
      socket.end(onWritten);
      return;
    }
    socket.write(bytes.subarray(offset, offset + CHUNK_BYTES), (error) => {
      if (error) return;
      onProgress();
      writeFrom(offset + CHUNK_BYTES);
    });
  };
  writeFrom(0);
}

async function readReplies(socket: Socket, lines: number): Promise<Delivery> {
  // Loaded while the daemon works: the lines are on their way already.
  const { default: ndjson } = await import("ndjson");
  const rejections: LineRejection[] = [];
  return new Promise((resolve) => {
    const unsettled = (reason: string) => resolve({ kind: "unsettled", reason });
    const parser = ndjson.parse();
    parser.on("error", () => unsettled("the answer is not a patternd daemon's"));
    parser.on("end", () => unsettled("the daemon closed the connection without a receipt"));
    parser.on("data", (reply: unknown) => {
      const rejection = rejectionIn(reply);
      if (rejection) rejections.push(rejection);
      const receipt = receiptIn(reply);
      if (!receipt) return;
      // A daemon that stops reads no further than it has to.
      if (receipt.lines < lines) unsettled(`the daemon took ${receipt.lines} of ${lines} lines`);
      else resolve({ kind: "settled", receipt, rejections });
    });
    socket.on("data", (chunk) => {
      if (socket.bytesRead > MAX_REPLY_BYTES) unsettled("the answer is not a patternd daemon's");
      else parser.write(chunk);
    });
    // The end may have come while the package was loaded.
    if (socket.readableEnded) parser.end();
    else socket.on("end", () => parser.end());
  });
}
