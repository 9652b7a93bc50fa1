/** What waits for the writer, in the order in which it came, and the batches that are made of it. */
import { Lines, linesIn } from "../pattern/lines.ts";
import type { Entry, Sender } from "../pattern/settlement.ts";
import { type HeldBlock, Slabs } from "./slabs.ts";

/** What a line costs beside its bytes, roughly. */
const LINE_OVERHEAD_BYTES = 400;

type RejectedEntry = Extract<Entry, { kind: "rejected" }>;

/** Lines of one sender, or one that was refused before it could be held. */
export interface Queued {
  readonly sender: Sender;
  readonly entry: { readonly kind: "lines"; readonly held: HeldBlock } | RejectedEntry;
  readonly lines: number;
  readonly bytes: number;
}

export interface Batch {
  readonly queued: readonly Queued[];
  /** Those that are not refused yet. */
  readonly lines: Lines;
  readonly bytes: number;
}

export class Waiting {
  readonly #slabs = new Slabs();
  #queued: Queued[] = [];
  #lines = 0;
  #bytes = 0;

  /** What it all takes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether there is enough for a batch of so many lines or bytes. */
  fills(lines: number, bytes: number): boolean {
    return this.#lines >= lines || this.#bytes >= bytes;
  }

  /** How many lines it was. Nothing of the sender's memory is kept. */
  put(sender: Sender, entry: Entry): number {
    const queued =
      entry.kind === "lines" ? heldLines(sender, this.#slabs.hold(entry.block)) : refusedLine(sender, entry);
    this.#queued.push(queued);
    this.#lines += queued.lines;
    this.#bytes += queued.bytes;
    return queued.lines;
  }

  /** Gives back the memory that only a rush needs. */
  trim(): void {
    this.#slabs.trim();
  }

  /** From the first on, at most so many lines, and hardly more bytes than that. */
  take(maxLines: number, maxBytes: number): Batch {
    const queued: Queued[] = [];
    let lines = 0;
    let bytes = 0;
    for (const next of this.#queued) {
      if (lines >= maxLines || bytes >= maxBytes) break;
      const part = firstOf(next, maxLines - lines);
      queued.push(part);
      lines += part.lines;
      bytes += part.bytes;
    }
    const taken = this.#queued.splice(0, queued.length);
    const rest = restOf(taken.at(-1), queued.at(-1));
    if (rest) this.#queued.unshift(rest);
    this.#lines -= lines;
    this.#bytes -= bytesOf(taken) - (rest?.bytes ?? 0);
    const blocks = queued.flatMap(({ entry }) => (entry.kind === "lines" ? [entry.held.block] : []));
    return { queued, lines: new Lines(blocks), bytes };
  }
}

function heldLines(sender: Sender, held: HeldBlock): Queued {
  const { bounds } = held.block;
  const lines = linesIn(held.block);
  const bytes = lines * LINE_OVERHEAD_BYTES + (bounds.at(-1) ?? 0) - (bounds[0] ?? 0);
  return { sender, entry: { kind: "lines", held }, lines, bytes };
}

function refusedLine(sender: Sender, entry: RejectedEntry): Queued {
  return { sender, entry, lines: 1, bytes: LINE_OVERHEAD_BYTES + entry.line.bytes.length };
}

/** At most so many of its lines, from the first on. */
function firstOf(queued: Queued, lines: number): Queued {
  const { sender, entry } = queued;
  if (queued.lines <= lines || entry.kind === "rejected") return queued;
  return heldLines(sender, entry.held.part(0, lines));
}

/** What is left of it behind its first lines; undefined if nothing is. */
function restOf(queued: Queued | undefined, first: Queued | undefined): Queued | undefined {
  if (!queued || !first || queued === first || queued.entry.kind === "rejected") return undefined;
  const { held } = queued.entry;
  const rest = heldLines(queued.sender, held.part(first.lines, queued.lines));
  held.release();
  return rest;
}

function bytesOf(queued: readonly Queued[]): number {
  return queued.reduce((sum, { bytes }) => sum + bytes, 0);
}
