/** What a sender is told, one JSON object a line. */
import type { Socket } from "node:net";
import * as v from "valibot";
import type { Rejection } from "../pattern/rejection.ts";

/** The most that is held for a sender that does not read, and the most rejections before a receipt. */
const REPLY_BYTES = 64 * 1024;
/** How long a sender may take to read the end of what it is told. */
const LAST_REPLY_MS = 10_000;
const PROTOCOL_VERSION = 1;

export interface Receipt {
  readonly lines: number;
  /** Every accepted line: replaced and superseded ones too. */
  readonly stored: number;
  readonly rejected: number;
  readonly notCollected: number;
}

/** A pattern may have a field `hello`, but then it has an id or a type as well. */
const helloSchema = v.object({
  hello: v.unknown(),
  ack: v.optional(v.boolean(), false),
  pattern_id: v.optional(v.undefined()),
  pattern_type: v.optional(v.undefined()),
});

/** What a first line asks for: nothing (undefined), or a conversation; `version` may be one that nobody knows. */
export function parseHello(line: Buffer): { readonly isKnown: boolean; readonly ack: boolean } | undefined {
  if (!line.includes('"hello"')) return undefined;
  try {
    const hello = v.safeParse(helloSchema, JSON.parse(line.toString("utf8")));
    return hello.success
      ? { isKnown: hello.output.hello === PROTOCOL_VERSION, ack: hello.output.ack }
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Replies to one sender. Until it says hello they are held until its end of file: on a peer that has gone, a
 * write would end reading and lose what still waits in the kernel. Whatever is not read is bounded, and dropped.
 */
export class Replies {
  readonly #socket: Socket;
  readonly #onDropped: () => void;
  #held: string[] = [];
  #heldBytes = 0;
  #isListening = false;

  constructor(socket: Socket, onDropped: () => void) {
    this.#socket = socket;
    this.#onDropped = onDropped;
  }

  hello(server: string, maxLineBytes: number): void {
    this.#isListening = true;
    this.#send({ hello: PROTOCOL_VERSION, server, max_line_bytes: maxLineBytes });
  }

  /** Lines 1 to `lines` are settled. Whether there was room to say so: the next ack says it as well. */
  ack(lines: number): boolean {
    return this.#send({ ack: lines });
  }

  /** Only finds out whether the peer is still there: nothing is piled up for one that does not read. */
  ackAgain(lines: number): void {
    if (this.#socket.writable && this.#socket.writableLength === 0) this.#send({ ack: lines });
  }

  reject(line: number, { code, path, message, patternId }: Rejection): void {
    const about = path === undefined ? {} : { path };
    const id = patternId === undefined ? {} : { pattern_id: patternId };
    this.#send({ reject: { line, code, ...about, message, ...id } });
  }

  /** The last reply of all. */
  receipt({ lines, stored, rejected, notCollected }: Receipt): void {
    this.#end({ receipt: { lines, stored, rejected, not_collected: notCollected } });
  }

  /** Without a last reply. What was said before still gets there. */
  close(): void {
    this.#end();
  }

  refuseHello(): void {
    const message = `expected hello ${PROTOCOL_VERSION}, the only version that this daemon speaks`;
    this.#end({ error: { code: "unknown_hello", message } });
  }

  #send(reply: object): boolean {
    const text = `${JSON.stringify(reply)}\n`;
    const bytes = Buffer.byteLength(text);
    const waiting = this.#isListening ? this.#socket.writableLength : this.#heldBytes;
    if (waiting + bytes > REPLY_BYTES) {
      this.#onDropped();
      return false;
    }
    if (this.#isListening) {
      // Of a text the socket would count the UTF-16 units.
      this.#socket.write(Buffer.from(text));
    } else {
      this.#held.push(text);
      this.#heldBytes += bytes;
    }
    return true;
  }

  /** Nothing more is read: a sender that keeps its side open must not keep the connection. */
  #end(reply?: object): void {
    this.#socket.setTimeout(LAST_REPLY_MS, () => this.#socket.destroy());
    const last = reply ? `${this.#held.join("")}${JSON.stringify(reply)}\n` : "";
    this.#socket.end(last, () => this.#socket.destroy());
    this.#held = [];
  }
}
