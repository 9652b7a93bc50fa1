/** The files of the spool: their names, the one that grows, and what a crash left of one. */
import { type FileHandle, mkdir, open, readFile, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "../folders.ts";
import { readRecords } from "./spool-record.ts";

const FORM = /^(\d{10})(?:-(\d+)-(\d+))?\.spool$/;
const ASIDE = ".aside";

/** A file that grows no more: its first `bytes` hold `lines` records, behind them is nothing that was promised. */
export interface SealedFile {
  readonly number: number;
  readonly path: string;
  readonly lines: number;
  readonly bytes: number;
}

/** What a file's name says; undefined if it is none of the spool's. What still grew has no `size` in its name. */
export function parseName(
  name: string,
):
  | { readonly number: number; readonly size?: { readonly lines: number; readonly bytes: number } }
  | undefined {
  const match = FORM.exec(name);
  if (!match) return undefined;
  const [, number, lines, bytes] = match;
  if (lines === undefined) return { number: Number(number) };
  return { number: Number(number), size: { lines: Number(lines), bytes: Number(bytes) } };
}

function nameOf(number: number, size?: { readonly lines: number; readonly bytes: number }): string {
  const suffix = size ? `-${size.lines}-${size.bytes}` : "";
  return `${String(number).padStart(10, "0")}${suffix}.spool`;
}

/**
 * Says in its name how much a file holds, which spares whoever opens the spool reading it. Without that name it is
 * only read once more, so that a failure changes nothing.
 */
export async function nameSealed(folder: string, file: SealedFile): Promise<SealedFile> {
  const path = join(folder, nameOf(file.number, file));
  try {
    await rename(file.path, path);
    return { ...file, path };
  } catch {
    return file;
  }
}

/** The file that grows. Its first `bytes` are as durable as is configured; after an error it must not grow further. */
export class GrowingFile {
  readonly number: number;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #durability: "fsync" | "os";
  lines = 0;
  bytes = 0;

  private constructor(number: number, path: string, handle: FileHandle, durability: "fsync" | "os") {
    this.number = number;
    this.#path = path;
    this.#handle = handle;
    this.#durability = durability;
  }

  static async create(folder: string, number: number, durability: "fsync" | "os"): Promise<GrowingFile> {
    const path = join(folder, nameOf(number));
    const file = new GrowingFile(number, path, await open(path, "ax", 0o600), durability);
    if (durability === "os") return file;
    try {
      await syncFolder(folder);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async append(records: Buffer, lines: number): Promise<void> {
    await this.#handle.appendFile(records);
    if (this.#durability === "fsync") await this.#handle.datasync();
    this.lines += lines;
    this.bytes += records.length;
  }

  /** After a failed append: what it may have left is cut off if possible, and not counted in any case. */
  async takeBack(): Promise<void> {
    await this.#handle.truncate(this.bytes).catch(() => {});
  }

  async close(): Promise<SealedFile> {
    await this.#handle.close().catch(() => {});
    return { number: this.number, path: this.#path, lines: this.lines, bytes: this.bytes };
  }
}

/** What a crash cut short at a file's end, and where it is kept. */
export interface CutTail {
  readonly file: string;
  readonly bytes: number;
  readonly keptAs: string;
}

/** Reads a file that a crash kept from being sealed. A tail that no whole record follows is cut and kept aside. */
export async function sealLeft(
  folder: string,
  name: string,
  number: number,
): Promise<{ readonly sealed: SealedFile; readonly tail: CutTail | undefined }> {
  const path = join(folder, name);
  const content = await readFile(path);
  const { lines, damage } = readRecords(content);
  const last = damage.at(-1);
  const bytes = last?.end === content.length ? last.start : content.length;
  if (bytes === content.length)
    return { sealed: { number, path, lines: lines.length, bytes }, tail: undefined };
  try {
    const keptAs = await asidePath(folder, `${name}-from-${bytes}`);
    await writeFile(keptAs, content.subarray(bytes), { mode: 0o600, flush: true });
    await truncate(path, bytes);
    const tail = { file: path, bytes: content.length - bytes, keptAs };
    return { sealed: { number, path, lines: lines.length, bytes }, tail };
  } catch {
    // On a full disk the whole file is put aside when its lines are stored: that takes no room.
    return { sealed: { number, path, lines: lines.length, bytes: content.length }, tail: undefined };
  }
}

/** Where something is kept aside, in a folder that is made if need be. */
export async function asidePath(folder: string, name: string): Promise<string> {
  await mkdir(join(folder, ASIDE), { recursive: true, mode: 0o700 });
  return join(folder, ASIDE, `${new Date().toISOString()}-${name}`);
}
