/**
 * `patternd/client`: patterns from a program that must not notice. `emit` only adds to a buffer; what happens with it
 * happens between the program's own turns, and what no daemon promised anything for ends in the outbox.
 */
import { resolve } from "node:path";
import { onExit } from "signal-exit";
import { clientSockets, readSocketPaths } from "../config/sockets.ts";
import { messageOf } from "../errors.ts";
import type { PatternContext } from "../pattern/schema.ts";
import { Backlog } from "./backlog.ts";
import { Conversation } from "./conversation.ts";
import { type Emission, lineOf } from "./emission.ts";
import { leaveInOutbox, type Outbox, outboxMaxBytes } from "./outbox.ts";
import type { LineRejection } from "./replies.ts";
import { surroundings } from "./surroundings.ts";

export type { Emission } from "./emission.ts";
export type { LineRejection } from "./replies.ts";

const MAX_BUFFER_BYTES = 8 * 1024 * 1024;
/**
 * Most bytes on their way. Linux takes them at once even for a daemon that reads nothing: a write that waits would
 * keep the process alive. A longer line goes by the outbox.
 */
const WINDOW_BYTES = 64 * 1024;
/** How long nothing may be settled while something waits. */
const SILENCE_MS = 5_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;
const FLUSH_MS = 1_000;

export interface PatternClientOptions {
  /** The daemon's ingest socket, and no other. Default: as `patternd emit` looks for one. */
  readonly socket?: string | undefined;
  /** Default: the configuration's, or the user's own. */
  readonly outbox?: string | undefined;
  /** A configuration file. */
  readonly config?: string | undefined;
  /** For every pattern, where it does not say otherwise itself. */
  readonly context?: PatternContext | undefined;
  /** Most bytes of lines in memory (8 MiB). What is over goes to the outbox. */
  readonly maxBufferBytes?: number | undefined;
  /** A pattern that the daemon refused, and keeps with the reason. */
  readonly onRejected?: ((rejection: LineRejection) => void) | undefined;
}

/** `emitted` is the sum of all others but `rejected`. */
export interface ClientCounts {
  readonly emitted: number;
  /** The daemon's promise. */
  readonly settled: number;
  /** Settled by a refusal. */
  readonly rejected: number;
  /** In the outbox. */
  readonly left: number;
  /** In memory. */
  readonly waiting: number;
  /** Lost: the outbox was full or unusable, or the client was closed. */
  readonly dropped: number;
  /** JSON could not say it. */
  readonly unserializable: number;
}

interface Flush {
  /** How many lines must have gone from the backlog. */
  readonly gone: number;
  readonly done: () => void;
}

export class PatternClient {
  readonly #sockets: readonly string[];
  readonly #outbox: Outbox;
  readonly #about: PatternContext;
  readonly #maxBufferBytes: number;
  readonly #onRejected: ((rejection: LineRejection) => void) | undefined;
  readonly #backlog = new Backlog();
  readonly #counts = { emitted: 0, settled: 0, rejected: 0, left: 0, dropped: 0, unserializable: 0 };
  readonly #forgetExit: () => void;
  readonly #turn = () => {
    this.#isTurnDue = false;
    this.#send();
  };
  #isTurnDue = false;
  #isClosed = false;
  /** From the backlog, since the start. */
  #gone = 0;
  #flushes: Flush[] = [];
  #conversation: Conversation | undefined;
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(options: PatternClientOptions = {}) {
    const { socket, outbox, config, context, maxBufferBytes = MAX_BUFFER_BYTES, onRejected } = options;
    const paths = readSocketPaths(process.env, config);
    this.#sockets = socket === undefined ? clientSockets(paths, process.env).ingest : [resolve(socket)];
    this.#outbox = {
      path: outbox === undefined ? paths.outbox.path : resolve(outbox),
      maxBytes: outboxMaxBytes(process.env, config),
    };
    this.#about = { ...surroundings(process.env), ...context };
    this.#maxBufferBytes = maxBufferBytes;
    this.#onRejected = onRejected;
    this.#forgetExit = onExit(() => this.#leave({ isDurable: true }));
  }

  /** Never throws, and waits for nobody. */
  emit<const Type extends string>(emission: Emission<Type>): void {
    this.#counts.emitted += 1;
    let line: string;
    try {
      line = lineOf(emission, this.#about);
    } catch {
      this.#counts.unserializable += 1;
      return;
    }
    if (this.#isClosed) {
      this.#counts.dropped += 1;
      return;
    }
    if (3 * line.length > WINDOW_BYTES && Buffer.byteLength(line) > WINDOW_BYTES) {
      this.#write(line, 1, { isDurable: false });
      return;
    }
    // A program that never yields, or a daemon that takes nothing.
    if (this.#backlog.bytes + line.length > this.#maxBufferBytes) this.#leave({ isDurable: false });
    this.#backlog.push(line);
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(this.#turn);
  }

  get counts(): ClientCounts {
    return { ...this.#counts, waiting: this.#backlog.length };
  }

  /**
   * Resolves when all that was emitted is safe: settled by the daemon, or, after `timeoutMs`, in the outbox. From
   * then on not even SIGKILL loses it.
   *
   * @returns false if some of it was lost meanwhile.
   */
  async flush(timeoutMs = FLUSH_MS): Promise<boolean> {
    const { dropped } = this.#counts;
    if (this.#backlog.length > 0) {
      await new Promise<void>((done) => {
        // Keeps the process alive: somebody waits.
        const timer = setTimeout(() => this.#leave({ isDurable: true }), timeoutMs);
        this.#flushes.push({
          gone: this.#gone + this.#backlog.length,
          done: () => {
            clearTimeout(timer);
            done();
          },
        });
        this.#send();
      });
    }
    return this.#counts.dropped === dropped;
  }

  /** Flushes and hangs up. What is emitted from now on is dropped. */
  async close(timeoutMs = FLUSH_MS): Promise<boolean> {
    this.#isClosed = true;
    const isSafe = await this.flush(timeoutMs);
    this.#forgetExit();
    clearTimeout(this.#retry);
    this.#conversation?.end();
    return isSafe;
  }

  #send(): void {
    if (this.#backlog.length === 0) return;
    this.#silence ??= setTimeout(() => this.#giveUp(), SILENCE_MS).unref();
    if (!this.#conversation) {
      if (!this.#retry) this.#converse();
    } else if (this.#conversation.isGreeted) {
      const lines = this.#backlog.send(WINDOW_BYTES);
      if (lines !== "") this.#conversation.write(lines);
    }
  }

  #converse(): void {
    this.#conversation = new Conversation(this.#sockets, {
      greeted: () => {
        this.#retryMs = FIRST_RETRY_MS;
        this.#send();
      },
      settled: (lines) => this.#settle(lines),
      rejected: (rejection) => {
        this.#counts.rejected += 1;
        this.#tellRejected(rejection);
      },
      ended: () => {
        this.#conversation = undefined;
        this.#backlog.unsend();
        if (!this.#isClosed || this.#backlog.length > 0) this.#retryLater();
      },
    });
  }

  /** What it throws is its program's trouble, and must not end the conversation. */
  #tellRejected(rejection: LineRejection): void {
    try {
      this.#onRejected?.(rejection);
    } catch (error) {
      process.emitWarning(`onRejected of a PatternClient threw: ${messageOf(error)}`);
    }
  }

  /** At random within the time: many programs lose the same daemon in the same moment. */
  #retryLater(): void {
    const wait = this.#retryMs * (0.5 + Math.random() / 2);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#send();
    }, wait).unref();
  }

  #settle(lines: number): void {
    if (!this.#backlog.settle(lines)) {
      // A daemon that can't count: nothing it says holds.
      this.#conversation?.end();
      return;
    }
    this.#counts.settled += lines;
    this.#silence?.refresh();
    this.#forget(lines);
    this.#send();
  }

  /** No daemon, or one that settles nothing: what waits is safer on disk. */
  #giveUp(): void {
    this.#leave({ isDurable: false });
    this.#conversation?.end();
  }

  /** Moves everything that waits to the outbox. What a daemon has had of it is there twice, which changes nothing. */
  #leave(how: { isDurable: boolean }): void {
    const count = this.#backlog.length;
    if (count === 0) return;
    const wereSent = this.#backlog.sent > 0;
    this.#write(this.#backlog.empty(), count, how);
    // Its acknowledgements would count for other lines.
    if (wereSent) this.#conversation?.end();
    this.#forget(count);
  }

  #write(lines: string, count: number, how: { isDurable: boolean }): void {
    try {
      leaveInOutbox(this.#outbox, Buffer.from(lines), how);
      this.#counts.left += count;
    } catch {
      this.#counts.dropped += count;
    }
  }

  #forget(lines: number): void {
    this.#gone += lines;
    if (this.#backlog.length === 0) {
      clearTimeout(this.#silence);
      this.#silence = undefined;
    }
    const concluded = this.#flushes.filter(({ gone }) => gone <= this.#gone);
    this.#flushes = this.#flushes.filter(({ gone }) => gone > this.#gone);
    for (const { done } of concluded) done();
  }
}
