/** `patternd emit`: patterns from flags or standard input to the daemon, or into the outbox. */
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { completeLine } from "../client/complete.ts";
import type { Batch } from "../client/ingest.ts";
import { outboxMaxBytes } from "../client/outbox.ts";
import type { Receipt } from "../client/replies.ts";
import { Sender, type Sent } from "../client/sender.ts";
import { surroundings } from "../client/surroundings.ts";
import { clientSockets, readSocketPaths } from "../config/sockets.ts";
import { PatterndError } from "../errors.ts";
import type { EmitAnswer } from "./answers.ts";
import { EMIT_HELP, type EmitFlags, parseEmit, patternLine } from "./emit-flags.ts";
import { print, say } from "./terminal.ts";

const RECEIPT_MS = 1_000;
const BATCH_BYTES = 4 * 1024 * 1024;
/** A line is held whole; longer ones than any daemon takes are refused here. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;

/** Lines with what to call each in a message: nothing for the one that the flags spell. */
interface NamedLines {
  readonly lines: Buffer[];
  readonly names: string[];
  bytes: number;
}

/** @returns the exit status: 1 when a line was rejected or lost. */
export async function emit(args: readonly string[]): Promise<number> {
  const flags = parseEmit(args);
  if (flags.help) {
    await print(EMIT_HELP);
    return 0;
  }
  const emission = new Emission(senderFor(flags));
  const about = surroundings(process.env);
  if (flags.isPattern) {
    const lines = named();
    add(lines, await completeLine(Buffer.from(patternLine(flags, about)), about), "");
    await emission.send(lines);
  } else {
    if (process.stdin.isTTY) say("reading patterns from the terminal, one a line; end with Ctrl-D");
    await emitInput(emission, (line) => completeLine(line, about));
  }
  emission.conclude();
  if (flags.json && !flags.hook) await print(emission.summary());
  return emission.isClean ? 0 : 1;
}

function senderFor(flags: EmitFlags): Sender {
  // An emission is worth more than its configuration: it goes on with the defaults.
  const config = flags.config ?? (process.env.PATTERND_CONFIG || undefined);
  if (config !== undefined && !existsSync(config)) {
    say(`there is no configuration file ${config}: the defaults are used`);
  }
  const paths = readSocketPaths(process.env, flags.config);
  const sockets = flags.socket === undefined ? undefined : [resolve(flags.socket)];
  return new Sender({
    sockets: sockets ?? clientSockets(paths, process.env).ingest,
    outbox: { path: paths.outbox.path, maxBytes: outboxMaxBytes(process.env, flags.config) },
    timeoutMs: RECEIPT_MS,
    awaitReceipt: !flags["no-wait"],
  });
}

async function emitInput(emission: Emission, complete: (line: Buffer) => Promise<Buffer>): Promise<void> {
  const { standardInput } = await import("./input.ts");
  const { numberedFrames } = await import("../ingest/numbered.ts");
  for await (const frames of numberedFrames(standardInput(), MAX_LINE_BYTES)) {
    let lines = named();
    for (const { number, frame } of frames) {
      const name = `line ${number}: `;
      if (frame.kind === "oversized") {
        emission.refuse(
          `${name}line_too_long: expected at most ${MAX_LINE_BYTES} bytes, got ${frame.length}`,
        );
        continue;
      }
      const line = await complete(frame.bytes);
      if (lines.bytes + line.length > BATCH_BYTES) {
        await emission.send(lines);
        lines = named();
      }
      add(lines, line, name);
    }
    await emission.send(lines);
  }
}

/** What became of everything that one run of the command sent. */
class Emission {
  isClean = true;
  readonly #sender: Sender;
  readonly #receipt = { lines: 0, stored: 0, rejected: 0, not_collected: 0 };
  #left: { lines: number; folder: string; reason: string } | undefined;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  async send(named: NamedLines): Promise<void> {
    if (named.lines.length === 0) return;
    const newline = Buffer.from("\n");
    const batch: Batch = {
      bytes: Buffer.concat(named.lines.flatMap((line) => [line, newline])),
      lines: named.lines.length,
    };
    this.#record(await this.#sendOrLose(batch, named), named);
  }

  /** A line that is not even sent. */
  refuse(fault: string): void {
    this.isClean = false;
    say(fault);
  }

  conclude(): void {
    if (!this.#left) return;
    const { lines, reason, folder } = this.#left;
    say(`${reason}; ${lines} ${lines === 1 ? "pattern waits" : "patterns wait"} in the outbox ${folder}`);
  }

  /** NDJSON: the receipt over all connections, and what was left in the outbox. */
  summary(): string {
    const parts: EmitAnswer[] = [
      ...(this.#receipt.lines > 0 ? [{ receipt: this.#receipt }] : []),
      ...(this.#left ? [{ outbox: this.#left }] : []),
    ];
    return parts.map((part) => `${JSON.stringify(part)}\n`).join("");
  }

  async #sendOrLose(batch: Batch, { names }: NamedLines): Promise<Sent> {
    try {
      return await this.#sender.send(batch);
    } catch (error) {
      if (!(error instanceof PatterndError)) throw error;
      const from = names[0]
        ? `from ${names[0].slice(0, -2)} on nothing is sure to arrive`
        : "the pattern may be lost";
      throw new PatterndError(error.code, `${error.message}: ${from}`, { cause: error });
    }
  }

  #record(sent: Sent, { names, lines }: NamedLines): void {
    if (sent.kind === "left") {
      const { file, reason } = sent;
      this.#left = { lines: (this.#left?.lines ?? 0) + lines.length, folder: dirname(file), reason };
      return;
    }
    if (sent.kind === "written") return;
    addReceipt(this.#receipt, sent.receipt);
    for (const { line, code, path, message } of sent.rejections) {
      this.refuse(`${names[line - 1] ?? ""}${code}${path === undefined ? "" : ` ${path}`}: ${message}`);
    }
    const unnamed = sent.receipt.rejected - sent.rejections.length;
    if (unnamed > 0)
      this.refuse(`${unnamed} more rejected; the daemon keeps every rejected line with its reason`);
  }
}

function addReceipt(sum: { -readonly [K in keyof Receipt]: number }, receipt: Receipt): void {
  sum.lines += receipt.lines;
  sum.stored += receipt.stored;
  sum.rejected += receipt.rejected;
  sum.not_collected += receipt.not_collected;
}

function named(): NamedLines {
  return { lines: [], names: [], bytes: 0 };
}

function add(to: NamedLines, line: Buffer, name: string): void {
  to.lines.push(line);
  to.names.push(name);
  to.bytes += line.length;
}
