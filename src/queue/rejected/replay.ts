/**
 * Kept lines on their way back, or out for good. What is stored now leaves the files only when it is durable, and
 * sending it again changes nothing: whatever stops a replay, the next one goes over the same lines.
 */
import { isUtf8 } from "node:buffer";
import { messageOf, PatterndError } from "../../errors.ts";
import { compact } from "../../pattern/json-text.ts";
import { blockOf } from "../../pattern/lines.ts";
import type { RejectedFilter, RejectionCode } from "../../pattern/rejection.ts";
import type { Entry } from "../../pattern/settlement.ts";
import { type DayFile, dateOf, daysIn, keptForwards, mayHold, type PlacedLine } from "./day-files.ts";
import type { Judge } from "./judges.ts";
import type { Range, RecordLine } from "./record-lines.ts";
import type { RejectedLines } from "./rejected.ts";
import { leavingLines, Ranges } from "./removal.ts";

/** Lines that are under way together: at most so many, and about so many bytes. */
const CHUNK_LINES = 2_000;
const CHUNK_BYTES = 4 * 1024 * 1024;

/** As the control socket and the command print it. */
export interface ReplayReport {
  readonly dry_run: boolean;
  /** Kept lines that were meant: the sum of the next four. */
  lines: number;
  /** Accepted now, and no longer kept. In a dry run: would be. */
  stored: number;
  /** Refused again. These and the next two stay where they are. */
  rejected: number;
  not_collected: number;
  /** Kept only in part. */
  partial: number;
  /** Records that can't be read. */
  damaged: number;
  readonly rejected_by_code: Partial<Record<RejectionCode, number>>;
}

export interface PurgeReport {
  readonly dry_run: boolean;
  /** Kept lines that are gone, and records that could not be read among them. */
  lines: number;
  damaged: number;
  /** On disk. */
  bytes: number;
}

/** One replay, purge or removal at a time. All throw PatterndError: `rejected_unusable`, and what the judge throws. */
export class RejectedReview {
  readonly #lines: RejectedLines;
  readonly #maxLineBytes: number;
  #turn: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  /** @param maxLineBytes what `ingest` takes: a longer line is refused again. */
  constructor(lines: RejectedLines, maxLineBytes: number) {
    this.#lines = lines;
    this.#maxLineBytes = maxLineBytes;
  }

  /** Sends nothing more. What is under way stays kept. */
  stop(): void {
    this.#isStopped = true;
  }

  /** In the order in which the lines came. `isDry`: `judge` stores nothing, and every line stays. */
  replay(filter: RejectedFilter, judge: Judge, isDry: boolean): Promise<ReplayReport> {
    const counts = { lines: 0, stored: 0, rejected: 0, not_collected: 0, partial: 0, damaged: 0 };
    const report: ReplayReport = { dry_run: isDry, ...counts, rejected_by_code: {} };
    return this.#inTurn(async () => {
      await this.#eachDay(filter, async (file) => {
        const stored = new Ranges();
        for await (const chunk of chunksOf(keptForwards(file, filter, () => (report.damaged += 1)))) {
          if (this.#isStopped) throw new PatterndError("daemon_stopping", "the daemon stops");
          await this.#send(chunk, judge, report, stored);
        }
        if (!isDry) await this.#lines.cut(file, stored.all);
      });
      return report;
    });
  }

  /** Records that can't be read go with the others of their day, if the filter means the whole day. */
  purge(filter: RejectedFilter, isDry: boolean): Promise<PurgeReport> {
    const report: PurgeReport = { dry_run: isDry, lines: 0, damaged: 0, bytes: 0 };
    return this.#inTurn(async () => {
      await this.#eachDay(filter, async (file, day) => {
        const gone = new Ranges();
        const isWholeDay = filter.code === undefined && coversDay(filter, day);
        const found = { lines: 0, damaged: 0 };
        const onDamaged = (range: Range) => {
          if (!isWholeDay) return;
          found.damaged += 1;
          gone.add(range);
        };
        for await (const { range } of keptForwards(file, filter, onDamaged)) {
          found.lines += 1;
          gone.add(range);
        }
        const bytes = isDry ? gone.bytes : await this.#lines.cut(file, gone.all);
        if (bytes === 0) return;
        report.lines += found.lines;
        report.damaged += found.damaged;
        report.bytes += bytes;
      });
      return report;
    });
  }

  /** Takes out every record that is meant, whether it can be read or not. Resolves to how many went, or would. */
  remove(
    isMeant: (record: RecordLine, file: DayFile) => boolean | Promise<boolean>,
    isDry: boolean,
  ): Promise<number> {
    let gone = 0;
    return this.#inTurn(async () => {
      await this.#eachDay({}, async (file) => {
        const { ranges, lines } = await leavingLines(file, file.size, (record) => isMeant(record, file));
        if (lines > 0 && (isDry || (await this.#lines.cut(file, ranges.all)) > 0)) gone += lines;
      });
      return gone;
    });
  }

  async #eachDay(
    filter: RejectedFilter,
    visit: (file: DayFile, day: string) => Promise<void>,
  ): Promise<void> {
    for (const day of await daysIn(this.#lines.folder)) {
      const file = mayHold(filter, day) ? await this.#lines.open(day) : undefined;
      if (!file) continue;
      try {
        await visit(file, day);
      } finally {
        await file.handle.close();
      }
    }
  }

  async #send(
    chunk: readonly PlacedLine[],
    judge: Judge,
    report: ReplayReport,
    stored: Ranges,
  ): Promise<void> {
    report.lines += chunk.length;
    const whole = chunk.filter(({ kept }) => kept.isWhole);
    report.partial += chunk.length - whole.length;
    const verdicts = await judge(whole.map(({ kept }) => entryOf(kept.bytes, this.#maxLineBytes)));
    for (const [index, { range }] of whole.entries()) {
      const verdict = verdicts[index];
      if (verdict === undefined) throw new PatterndError("internal", "a replayed line got no verdict");
      if (verdict === "accepted") {
        report.stored += 1;
        stored.add(range);
      } else if (verdict === "not_collected") report.not_collected += 1;
      else {
        report.rejected += 1;
        report.rejected_by_code[verdict] = (report.rejected_by_code[verdict] ?? 0) + 1;
      }
    }
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(step).catch((error: unknown) => {
      throw rejectedUnusable(this.#lines.folder, error);
    });
    this.#turn = done.catch(() => {});
    return done;
  }
}

/** What the system says of the folder, for people; an error that is for people already stays. */
export function rejectedUnusable(folder: string, cause: unknown): PatterndError {
  if (cause instanceof PatterndError) return cause;
  const message = `can't work on the rejected lines in ${folder}: ${messageOf(cause)}`;
  return new PatterndError("rejected_unusable", message, { cause });
}

async function* chunksOf(lines: AsyncIterable<PlacedLine>): AsyncGenerator<PlacedLine[]> {
  let chunk: PlacedLine[] = [];
  let bytes = 0;
  for await (const line of lines) {
    chunk.push(line);
    bytes += line.range.end - line.range.start;
    if (chunk.length < CHUNK_LINES && bytes < CHUNK_BYTES) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}

function entryOf(kept: Buffer, maxLineBytes: number): Entry {
  const bytes = onOneLine(kept);
  if (bytes.length <= maxLineBytes) {
    return { kind: "lines", block: blockOf({ bytes, terminated: true }) };
  }
  const message = `expected at most ${maxLineBytes} bytes, got ${bytes.length}`;
  return { kind: "rejected", line: { rejection: { code: "line_too_long", message }, bytes } };
}

/** Imports keep what they refuse as it was laid out, and stores have lines. What is no JSON is refused again as it is. */
function onOneLine(bytes: Buffer): Buffer {
  if (!bytes.includes("\n") || !isUtf8(bytes)) return bytes;
  const text = bytes.toString("utf8");
  try {
    JSON.parse(text);
  } catch {
    return bytes;
  }
  return Buffer.from(compact(text), "utf8");
}

function coversDay({ since, until }: RejectedFilter, day: string): boolean {
  const start = BigInt(Date.parse(`${dateOf(day)}T00:00:00Z`)) * 1_000_000n;
  const last = start + 86_400_000_000_000n - 1_000_000n;
  return (since === undefined || since <= start) && (until === undefined || until >= last);
}
