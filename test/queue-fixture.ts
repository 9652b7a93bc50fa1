/** A write queue in front of a store that the test plays, and a spool on disk. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { blockOf } from "../src/pattern/lines.ts";
import type { Entry, Outcome, Refusal, Sender, Settlement } from "../src/pattern/settlement.ts";
import { type QueueOptions, WriteQueue } from "../src/queue/queue.ts";
import { Spool, type SpoolOptions } from "../src/queue/spool/spool.ts";

/** Removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "patternd-queue-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

export function openSpool(options: Partial<SpoolOptions> = {}): Promise<Spool> {
  const unexpected = () => {
    throw new Error("nothing is damaged here");
  };
  return Spool.open({
    folder: options.folder ?? temporaryFolder(),
    maxBytes: 1_000_000,
    durability: "os",
    onRepaired: unexpected,
    onDamaged: unexpected,
    ...options,
  });
}

/** The content of a line is its id; "off" is of a type that is switched off. */
export function line(id: string, bytes = 0): Entry {
  return { kind: "lines", block: blockOf({ bytes: Buffer.from(id.padEnd(bytes)), terminated: true }) };
}

export class Recorder implements Sender {
  readonly origin: Sender["origin"];
  readonly settled: Settlement[] = [];
  flushes = 0;
  constructor(origin: Sender["origin"] = "socket") {
    this.origin = origin;
  }
  settle(settlement: Settlement): void {
    this.settled.push(settlement);
  }
  flushed(): void {
    this.flushes += 1;
  }
}

export class Refused extends Error {}

export interface Gate {
  readonly batches: string[][];
  readonly events: string[];
  readonly kept: string[][];
}

/** A queue whose patterns are their ids, over a spool of its own that is removed after the test. */
export async function queueWith(
  write: (ids: string[]) => Promise<Outcome[]>,
  options: Partial<QueueOptions<string[]>> = {},
): Promise<{ queue: WriteQueue<string[]>; seen: Gate; spool: Spool; whenDrained: Promise<void> }> {
  const spool = options.spool ?? (await openSpool());
  const seen: Gate = { batches: [], events: [], kept: [] };
  const parse: QueueOptions<string[]>["parse"] = async (lines) => {
    const ids = Array.from(lines, ({ bytes }) => bytes.toString().trim());
    const refused = new Map<number, Refusal>();
    for (const [index, id] of ids.entries()) {
      if (id === "off") refused.set(index, { kind: "not_collected", type: "note" });
    }
    const patterns = ids.filter((id) => id !== "off");
    return { patterns, firstId: patterns[0], refused };
  };
  let drained = () => {};
  const queue = new WriteQueue<string[]>({
    maxBatch: 1000,
    maxDelayMs: 0,
    maxBytes: 1_000_000,
    parse,
    bind: parse,
    write: (ids) => {
      seen.batches.push(ids);
      return write(ids);
    },
    keepRejected: async (lines) => {
      seen.kept.push(lines.map(({ rejection }) => rejection.code));
    },
    isRefusal: (error) => error instanceof Refused,
    onNotCollected: (type) => seen.events.push(`not collected: ${type}`),
    onFailed: (part) => seen.events.push(`${part} failed`),
    onDefect: () => seen.events.push("defect"),
    onRecovered: (part) => seen.events.push(`${part} recovered`),
    onSpooling: () => seen.events.push("spooling"),
    onDrained: () => {
      seen.events.push("drained");
      drained();
    },
    onFlushed: () => seen.events.push("flushed"),
    ...options,
    spool,
  });
  const whenDrained = new Promise<void>((resolve) => {
    drained = resolve;
  });
  return { queue, seen, spool, whenDrained };
}

export const store = async (ids: string[]): Promise<Outcome[]> => ids.map(() => "stored");
