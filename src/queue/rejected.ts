/**
 * Rejected lines, kept with the reason: `<folder>/YYYY-MM-DD.ndjson` by the UTC day on which they came.
 * The folder is bounded: the oldest file goes first.
 */

import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdir, open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { RejectedLine } from "../pattern/rejection.ts";

/** Longer lines are kept in part, and can't be replayed. */
const KEPT_BYTES = 64 * 1024;
const FILE_FORM = /^\d{4}-\d{2}-\d{2}\.ndjson$/;
const NEWLINE = "\n";

export interface DroppedFile {
  readonly file: string;
  readonly bytes: number;
}

export interface RejectedOptions {
  readonly folder: string;
  readonly maxBytes: number;
  readonly durability: "fsync" | "os";
  readonly onDropped?: (dropped: DroppedFile) => void;
  readonly now?: () => Date;
}

export class RejectedLines {
  readonly #options: RejectedOptions;
  readonly #now: () => Date;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: RejectedOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
  }

  /** Durable when it resolves. Rejects with the system's error; then nothing of it was kept. */
  keep(lines: readonly RejectedLine[]): Promise<void> {
    // One after the other: what a failure takes back must not be what somebody else has just written.
    const turn = this.#turn.then(() => this.#keep(lines));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #keep(lines: readonly RejectedLine[]): Promise<void> {
    const { folder, durability } = this.#options;
    const time = this.#now().toISOString();
    const file = `${time.slice(0, 10)}.ndjson`;
    const text = lines.map((line) => JSON.stringify(keptRecord(line, time)) + NEWLINE).join("");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await this.#makeRoom(file, Buffer.byteLength(text));
    const handle = await open(join(folder, file), "a+", 0o600);
    try {
      const { size } = await handle.stat();
      try {
        await handle.appendFile((await endsInLine(handle, size)) ? text : NEWLINE + text);
        if (durability === "fsync") await handle.datasync();
      } catch (error) {
        await handle.truncate(size);
        throw error;
      }
    } finally {
      await handle.close();
    }
    if (durability === "fsync") await syncFolder(folder);
  }

  async #makeRoom(current: string, wanted: number): Promise<void> {
    const { folder, maxBytes, onDropped } = this.#options;
    const files = (await readdir(folder)).filter((name) => FILE_FORM.test(name)).sort();
    const sizes = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size));
    let total = sizes.reduce((sum, size) => sum + size, 0);
    for (const [index, name] of files.entries()) {
      if (total + wanted <= maxBytes) return;
      const bytes = sizes[index] ?? 0;
      await unlink(join(folder, name));
      total -= bytes;
      onDropped?.({ file: name, bytes });
      if (name === current) return;
    }
  }
}

/** A refused line as it is written down: at most its first 64 KiB. `time`: ISO 8601. */
export function keptRecord({ rejection, bytes, whole }: RejectedLine, time: string): object {
  const { code, message, path, patternId } = rejection;
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, KEPT_BYTES));
  const cut = whole ?? (bytes.byteLength > KEPT_BYTES ? digest(bytes) : undefined);
  return {
    time,
    code,
    message,
    ...(path === undefined ? {} : { path }),
    ...(patternId === undefined ? {} : { pattern_id: patternId }),
    ...(isUtf8(line) ? { line: line.toString("utf8") } : { line_base64: line.toString("base64") }),
    ...(cut ? { length: cut.length, sha256: cut.sha256 } : {}),
  };
}

function digest(bytes: Uint8Array): { length: number; sha256: string } {
  return { length: bytes.byteLength, sha256: createHash("sha256").update(bytes).digest("hex") };
}

type Handle = Awaited<ReturnType<typeof open>>;

/** A crash may have cut the last record short: the next one begins on a line of its own. */
async function endsInLine(handle: Handle, size: number): Promise<boolean> {
  if (size === 0) return true;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() === NEWLINE;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
