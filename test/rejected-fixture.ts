/** Rejected lines in a folder of their own, and what a replay may find behind them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { lineIn } from "../src/pattern/lines.ts";
import type { RejectedFilter, RejectedLine } from "../src/pattern/rejection.ts";
import { keptNewestFirst } from "../src/queue/rejected/day-files.ts";
import type { Judge, Verdict } from "../src/queue/rejected/judges.ts";
import type { KeptLine } from "../src/queue/rejected/kept-record.ts";
import { RejectedLines } from "../src/queue/rejected/rejected.ts";

export const LINE_BYTES = 1_000_000;

/** Removed when the test is over. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "patternd-replay-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** By a clock that stands still. */
export function openAt(folder: string, time: string): RejectedLines {
  return new RejectedLines({ folder, maxBytes: 1e9, days: 30, durability: "os", now: () => new Date(time) });
}

export function line(
  text: string | Uint8Array,
  code: "invalid_json" | "missing_field" = "invalid_json",
): RejectedLine {
  return { rejection: { code, message: "no", path: "data", patternId: "p" }, bytes: Buffer.from(text) };
}

/** Newest first. */
export async function allIn(folder: string, filter: RejectedFilter = {}): Promise<KeptLine[]> {
  const kept: KeptLine[] = [];
  for await (const one of keptNewestFirst(folder, filter, () => {})) kept.push(one);
  return kept;
}

export const textsOf = (kept: readonly KeptLine[]) => kept.map(({ bytes }) => bytes.toString());

/** Stores what `accepts` takes; refuses the rest. */
export function storing(stored: string[], accepts: (text: string) => boolean): Judge {
  return async (entries) =>
    entries.map((entry): Verdict => {
      if (entry.kind === "rejected") return entry.line.rejection.code;
      const text = lineIn(entry.block, 0).bytes.toString();
      if (!accepts(text)) return "missing_field";
      stored.push(text);
      return "accepted";
    });
}
