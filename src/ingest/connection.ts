import type { Socket } from "node:net";
import { lineIn, linesIn, partOf } from "../pattern/lines.ts";
import type { Admission, Entry, Sender, Settlement } from "../pattern/settlement.ts";
import { entryOf } from "./entry.ts";
import { type Frame, LineFramer } from "./framing.ts";
import { parseHello, Replies } from "./replies.ts";
import type { UnfinishedBudget } from "./unfinished.ts";

/** How long a connection must be silent before it counts as finished while the daemon stops. */
const SILENCE_MS = 50;

/** How often a sender that waits is told its last ack again. */
const AGAIN_MS = 10_000;

const NEWLINE = 10;

/** Where a connection hands its lines to. */
export interface Sink {
  readonly admission: Admission;
  put(sender: Sender, entry: Entry): void;
  /** Calls back once, when admission may have changed, unless what it returns is called before. */
  onAdmission(callback: () => void): () => void;
}

export interface ConnectionOptions {
  readonly sink: Sink;
  /** What the daemon calls itself. */
  readonly server: string;
  readonly maxLineBytes: number;
  readonly budget: UnfinishedBudget;
  readonly onReplyDropped: () => void;
  /** The connection was closed, since there is no place for what it says. */
  readonly onTurnedAway: () => void;
  readonly onFailed: (error: Error) => void;
}

/**
 * One sender. At its end of file every line is settled and a receipt is attempted, whoever still listens. Only a
 * sender whose first line is a hello is answered before, and told with each flush how many lines are settled.
 */
export class Connection implements Sender {
  /** Resolves when nothing more is read. */
  readonly ended: Promise<void>;
  /** Resolves when the socket is closed, by whomever. */
  readonly closed: Promise<void>;
  readonly origin = "socket";
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #framer: LineFramer;
  readonly #replies: Replies;
  #isFirst = true;
  #saidHello = false;
  #wantsAcks = false;
  #acked = 0;
  #lines = 0;
  readonly #settled = { stored: 0, rejected: 0, notCollected: 0 };
  #isEnded = false;
  /** Ends that it is held back; undefined while it is not. */
  #letGo: (() => void) | undefined;
  #repeating: NodeJS.Timeout | undefined;
  /** Not all was read that had come. */
  #isCutShort = false;
  #silence: NodeJS.Timeout | undefined;
  readonly #resolveEnded: () => void;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#framer = new LineFramer(options);
    this.#replies = new Replies(socket, options.onReplyDropped);
    const [ended, resolveEnded] = signal();
    const [closed, resolveClosed] = signal();
    this.ended = ended;
    this.closed = closed;
    this.#resolveEnded = resolveEnded;
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("end", () => this.#end());
    socket.on("error", (error) => {
      if (!this.#isEnded) options.onFailed(error);
    });
    // Without an end of file (a reset): what was received is settled all the same.
    socket.on("close", () => {
      // The rest of its last line may be what was not read.
      if (this.#letGo) this.#framer.close();
      this.#end();
      this.#repeatNoMore();
      resolveClosed();
    });
    socket.on("drain", () => this.#acknowledge());
  }

  /** While the daemon stops: reads on until end of file or silence; what has no newline by then is left out. */
  drain(): void {
    this.#silence ??= setTimeout(() => {
      const heard = this.#socket.bytesRead;
      // Our own stall is not the sender's silence: the loop looks once more at what has come. Nor is it silence
      // when what has come waits for room in the queue.
      setImmediate(() => {
        const isWaiting = this.#letGo && this.#options.sink.admission !== "closed";
        if (isWaiting || this.#socket.bytesRead > heard) this.#silence?.refresh();
        else this.cut();
      });
    }, SILENCE_MS);
  }

  /** Reads no more. Who is held back by then gets no receipt: it would pass over what was sent and not read. */
  cut(): void {
    if (this.#isEnded) return;
    this.#isCutShort = this.#letGo !== undefined && this.#socket.readableLength > 0;
    if (this.#isCutShort && !this.#saidHello) {
      this.#turnAway();
      return;
    }
    if (this.#isCutShort) this.#options.onTurnedAway();
    this.#framer.close();
    this.#socket.pause();
    this.#end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  settle(settlement: Settlement): void {
    if (settlement.kind === "not_collected") this.#settled.notCollected += 1;
    else if (settlement.kind !== "rejected") this.#settled.stored += 1;
    else {
      this.#settled.rejected += 1;
      this.#replies.reject(this.#settledLines, settlement.line.rejection);
    }
  }

  flushed(): void {
    this.#acknowledge();
    if (!this.#isEnded || this.#settledLines < this.#lines) return;
    if (this.#isCutShort) this.#replies.close();
    else this.#replies.receipt({ lines: this.#lines, ...this.#settled });
  }

  /** What could not be said for want of room is said when there is some. */
  #acknowledge(): void {
    const lines = this.#settledLines;
    if (this.#wantsAcks && lines > this.#acked && this.#replies.ack(lines)) this.#acked = lines;
  }

  get #settledLines(): number {
    const { stored, rejected, notCollected } = this.#settled;
    return stored + rejected + notCollected;
  }

  /** What may not be taken yet goes back to the socket: a chunk of tiny lines takes up 200 times its size here. */
  #read(chunk: Buffer): void {
    this.#silence?.refresh();
    for (let rest = chunk; rest.length > 0 && !this.#isEnded; ) {
      this.#heedAdmission();
      if (this.#letGo) {
        this.#socket.unshift(rest);
        return;
      }
      const end = this.#isFirst && this.#options.sink.admission === "closed" ? lineEnd(rest) : rest.length;
      for (const frame of this.#framer.push(rest.subarray(0, end))) {
        if (!this.#isEnded) this.#take(frame);
      }
      rest = rest.subarray(end);
    }
    this.#heedAdmission();
  }

  /** Who said hello waits for acks, and can wait for room. Any other sender is better off with an error than stalled. */
  #heedAdmission(): void {
    const { sink } = this.#options;
    if (this.#isEnded || this.#letGo || sink.admission === "open") return;
    if (sink.admission === "closed" && !this.#saidHello) {
      // Its first line, which may be a hello, has not come yet.
      if (!this.#isFirst) this.#turnAway();
      return;
    }
    this.#holdBack();
  }

  #holdBack(): void {
    this.#socket.pause();
    this.#repeatAcks();
    const forget = this.#options.sink.onAdmission(() => {
      this.#letGo?.();
      this.#heedAdmission();
      if (this.#letGo || this.#isEnded) return;
      this.#repeatNoMore();
      this.#socket.resume();
    });
    this.#letGo = () => {
      forget();
      this.#letGo = undefined;
    };
  }

  /** Of who waits nothing else tells whether they are still there: to one that has gone a write fails. */
  #repeatAcks(): void {
    if (!this.#wantsAcks) return;
    this.#repeating ??= setInterval(() => this.#replies.ackAgain(this.#acked), AGAIN_MS);
  }

  #repeatNoMore(): void {
    clearInterval(this.#repeating);
    this.#repeating = undefined;
  }

  /** What was put stays on its way; nothing more is taken, and nothing answered. */
  #turnAway(): void {
    this.#isEnded = true;
    clearTimeout(this.#silence);
    this.#letGo?.();
    this.#framer.close();
    this.#resolveEnded();
    this.#socket.destroy();
    this.#options.onTurnedAway();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#silence);
    this.#letGo?.();
    for (const frame of this.#framer.end()) this.#take(frame);
    this.#framer.close();
    this.#resolveEnded();
    this.flushed();
    if (!this.#socket.destroyed) this.#repeatAcks();
  }

  #take(frame: Frame): void {
    if (this.#isFirst) {
      this.#isFirst = false;
      const hello = frame.kind === "lines" ? parseHello(lineIn(frame.block, 0).bytes) : undefined;
      if (hello && frame.kind === "lines") {
        this.#greet(hello);
        const block = partOf(frame.block, 1, linesIn(frame.block));
        if (!this.#isEnded && linesIn(block) > 0) this.#take({ ...frame, block });
        return;
      }
    }
    if (this.#options.sink.admission === "closed" && !this.#saidHello) {
      this.#turnAway();
      return;
    }
    this.#lines += frame.kind === "lines" ? linesIn(frame.block) : 1;
    this.#options.sink.put(this, entryOf(frame, this.#options.maxLineBytes));
  }

  #greet({ isKnown, ack }: { isKnown: boolean; ack: boolean }): void {
    this.#saidHello = true;
    if (isKnown) {
      this.#wantsAcks = ack;
      this.#replies.hello(this.#options.server, this.#options.maxLineBytes);
      return;
    }
    this.#isEnded = true;
    this.#framer.close();
    this.#socket.pause();
    this.#replies.refuseHello();
    this.#resolveEnded();
  }
}

/** Where the first line ends, its newline included. */
function lineEnd(bytes: Buffer): number {
  return bytes.indexOf(NEWLINE) + 1 || bytes.length;
}

function signal(): [Promise<void>, () => void] {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return [promise, resolve];
}
