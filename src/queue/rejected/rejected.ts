/**
 * Rejected lines, kept with the reason: `<folder>/YYYY-MM-DD.ndjson` by the UTC day on which they came, and beside
 * them what imports refused.
 * The folder is bounded: the oldest file goes first, and what is older than `days` goes.
 *
 * One process changes the folder, the one that holds the store, and in it one step at a time: nothing is appended
 * to a file that is about to be replaced.
 */
import { type FileHandle, open, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { PatterndError, systemCode } from "../../errors.ts";
import type { RejectedLine } from "../../pattern/rejection.ts";
import { makeFolder, syncFolder } from "../folders.ts";
import {
  type DayFile,
  dateOf,
  daysIn,
  isUnfinished,
  linesOf,
  openDay,
  pathOfDay,
  sizesOf,
} from "./day-files.ts";
import { keptRecord } from "./kept-record.ts";
import type { Range } from "./record-lines.ts";
import { isStillThere, replaceWithout } from "./removal.ts";

const DAY_MS = 86_400_000;
const NEWLINE = "\n";

export interface GoneFile {
  readonly file: string;
  readonly bytes: number;
}

export interface DroppedFile extends GoneFile {
  /** Undefined where the file could not be read. */
  readonly lines: number | undefined;
}

export interface RejectedOptions {
  readonly folder: string;
  readonly maxBytes: number;
  /** For how many days lines are kept. */
  readonly days: number;
  readonly durability: "fsync" | "os";
  /** `maxBytes` was reached. */
  readonly onDropped?: (dropped: DroppedFile) => void;
  /** `days` were over. */
  readonly onExpired?: (expired: GoneFile) => void;
  readonly now?: () => Date;
}

export class RejectedLines {
  #options: RejectedOptions;
  readonly #now: () => Date;
  #turn: Promise<unknown> = Promise.resolve();
  #held = { files: 0, bytes: 0 };

  constructor(options: RejectedOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
  }

  /** Other bounds, from the next step on. */
  bound({ maxBytes, days }: Pick<RejectedOptions, "maxBytes" | "days">): void {
    this.#options = { ...this.#options, maxBytes, days };
  }

  get folder(): string {
    return this.#options.folder;
  }

  /** What was in the folder after the last step. */
  get held(): { readonly files: number; readonly bytes: number } {
    return this.#held;
  }

  /** Durable when it resolves. Rejects with the system's error, or `rejected_unusable`; then nothing of it was kept. */
  keep(lines: readonly RejectedLine[]): Promise<void> {
    return this.#inTurn(() => this.#append(lines));
  }

  /** Removes files of days that are over for longer than `days` or exceed `maxBytes`, and what a crash left of a replacement. */
  expire(): Promise<void> {
    return this.#inTurn(async () => {
      const { folder, days: keptDays, onExpired } = this.#options;
      const cutoff = new Date(this.#now().getTime() - keptDays * DAY_MS).toISOString().slice(0, 10);
      const old = (await daysIn(folder)).filter((day) => dateOf(day) < cutoff);
      const sizes = await sizesOf(folder, old);
      for (const [index, day] of old.entries()) {
        await unlink(pathOfDay(folder, day));
        onExpired?.({ file: `${day}.ndjson`, bytes: sizes[index] ?? 0 });
      }
      // An import asks nobody for room.
      await this.#makeRoom(0);
      for (const name of await namesIn(folder)) if (isUnfinished(name)) await unlink(join(folder, name));
    });
  }

  /** A day's file as far as it is durable; undefined if there is none. The caller closes it. */
  open(day: string): Promise<DayFile | undefined> {
    return this.#inTurn(() => openDay(this.#options.folder, day));
  }

  /**
   * Takes the ranges (in order) out of the file, and leaves what came since it was opened: replaced whole or not at
   * all, durable when it resolves. Resolves to the bytes that went: none if the file itself has gone meanwhile.
   */
  cut(file: DayFile, ranges: readonly Range[]): Promise<number> {
    return this.#inTurn(async () => {
      const gone = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
      if (gone === 0 || !(await isStillThere(file))) return 0;
      const { size } = await file.handle.stat();
      if (gone === size) await unlink(file.path);
      else await replaceWithout(file, ranges, size);
      await syncFolder(this.#options.folder);
      return gone;
    });
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(async () => {
      const result = await step();
      // The step is done, whether its outcome can be measured or not.
      await this.#measure().catch(() => {});
      return result;
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  async #measure(): Promise<void> {
    const sizes = await sizesOf(this.#options.folder, await daysIn(this.#options.folder));
    this.#held = { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  }

  async #append(lines: readonly RejectedLine[]): Promise<void> {
    const { folder, durability } = this.#options;
    const time = this.#now().toISOString();
    const day = time.slice(0, 10);
    const text = lines.map((line) => JSON.stringify(keptRecord(line, time)) + NEWLINE).join("");
    await makeFolder(folder);
    await this.#makeRoom(Buffer.byteLength(text), day);
    const path = pathOfDay(folder, day);
    const handle = await open(path, "a+", 0o600);
    try {
      const stat = await handle.stat();
      // What goes into a FIFO is gone.
      if (!stat.isFile()) throw new PatterndError("rejected_unusable", `${path} is no plain file`);
      try {
        await handle.appendFile((await endsInLine(handle, stat.size)) ? text : NEWLINE + text);
        if (durability === "fsync") await handle.datasync();
      } catch (error) {
        await handle.truncate(stat.size);
        throw error;
      }
    } finally {
      await handle.close();
    }
    if (durability === "fsync") await syncFolder(folder);
  }

  async #makeRoom(wanted: number, current?: string): Promise<void> {
    const { folder, maxBytes, onDropped } = this.#options;
    const days = await daysIn(folder);
    const sizes = await sizesOf(folder, days);
    let total = sizes.reduce((sum, size) => sum + size, 0);
    for (const [index, day] of days.entries()) {
      if (total + wanted <= maxBytes) return;
      const bytes = sizes[index] ?? 0;
      const lines = await linesOf(folder, day);
      await unlink(pathOfDay(folder, day));
      total -= bytes;
      onDropped?.({ file: `${day}.ndjson`, bytes, lines });
      if (day === current) return;
    }
  }
}

/** A crash may have cut the last record short: the next one begins on a line of its own. */
async function endsInLine(handle: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return true;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() === NEWLINE;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}
