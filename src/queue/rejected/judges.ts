/** Who says what becomes of kept lines: the same that say it of new ones. */

import { Lines, linesIn } from "../../pattern/lines.ts";
import type { RejectionCode } from "../../pattern/rejection.ts";
import type { Entry, Sender, Settlement } from "../../pattern/settlement.ts";
import { missing, type Parse, settlementsOf } from "../batch.ts";
import { Condition } from "../retry.ts";
import { StoreWriter, type StoreWriterOptions } from "../store-writer.ts";

/** What becomes of a line. `accepted`: durable in the store, or on its way there. */
export type Verdict = "accepted" | "not_collected" | RejectionCode;
/** One verdict for each line, in order. */
export type Judge = (lines: readonly Entry[]) => Promise<readonly Verdict[]>;

/** By way of the write queue, like the lines of any sender. */
export function judgeByQueue(queue: { put(sender: Sender, entry: Entry): void }): Judge {
  return (lines) => {
    if (lines.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const sender = new ReplaySender(lines.length, resolve);
      for (const line of lines) queue.put(sender, line);
    });
  };
}

/** What the parser says, and nothing stored. */
export function judgeByParser(parse: Parse<unknown>): Judge {
  return judgeBy(async (lines) => {
    const parsed = await parse(lines);
    const stored = Array.from(lines, () => "stored" as const);
    return settlementsOf(lines, parsed, stored);
  });
}

/** Straight into a store, which nobody else writes to. */
export function judgeByStore<Patterns>(parse: Parse<Patterns>, store: StoreWriterOptions<Patterns>): Judge {
  // It is waited for however long it takes, and its error is the caller's.
  const untold = new Condition(
    () => {},
    () => {},
  );
  const writer = new StoreWriter(store, untold);
  return judgeBy(async (lines) => writer.write(lines, await parse(lines), parse));
}

function judgeBy(settle: (lines: Lines) => Promise<readonly Settlement[]>): Judge {
  return async (entries) => {
    const lines = new Lines(entries.flatMap((entry) => (entry.kind === "lines" ? [entry.block] : [])));
    const settlements = (await settle(lines)).values();
    return entries.flatMap((entry) => {
      if (entry.kind === "rejected") return [verdictOf(entry)];
      return Array.from({ length: linesIn(entry.block) }, () =>
        verdictOf(settlements.next().value ?? missing()),
      );
    });
  };
}

class ReplaySender implements Sender {
  readonly origin = "replayed";
  readonly #verdicts: Verdict[] = [];
  readonly #wanted: number;
  readonly #onDone: (verdicts: readonly Verdict[]) => void;

  constructor(wanted: number, onDone: (verdicts: readonly Verdict[]) => void) {
    this.#wanted = wanted;
    this.#onDone = onDone;
  }

  settle(settlement: Settlement): void {
    this.#verdicts.push(verdictOf(settlement));
  }

  flushed(): void {
    if (this.#verdicts.length === this.#wanted) this.#onDone(this.#verdicts);
  }
}

function verdictOf(settlement: Settlement): Verdict {
  if (settlement.kind === "rejected") return settlement.line.rejection.code;
  return settlement.kind === "not_collected" ? "not_collected" : "accepted";
}
