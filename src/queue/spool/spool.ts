/**
 * The spool: accepted lines on disk that the store does not take at the moment, in the order in which they came. A
 * line is durable in it when `append` resolves, and gone when `remove` of its file does: a crash between those
 * delivers whole files again, in order and before anything newer, which changes nothing in the store.
 *
 * A file either grows or is read, never both, and its name tells how much it holds once it grows no more: opening
 * costs the same however much there is.
 */
import { readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { systemCode } from "../../errors.ts";
import { syncFolder } from "../folders.ts";
import {
  asidePath,
  type CutTail,
  GrowingFile,
  nameSealed,
  parseName,
  type SealedFile,
  sealLeft,
} from "./spool-file.ts";
import { readRecords, recordsOf } from "./spool-record.ts";

/** A file is read as a whole. It is larger only if a single batch is. */
const FILE_BYTES = 8 * 1024 * 1024;

/** A file that did not hold what it should, and where it is kept. `lines` of it could not be read. */
export interface SpoolDamage {
  readonly file: string;
  readonly lines: number;
  readonly keptAs: string;
}

export interface SpoolOptions {
  /** Must exist, and be nobody else's. */
  readonly folder: string;
  readonly maxBytes: number;
  readonly durability: "fsync" | "os";
  readonly onRepaired: (tail: CutTail) => void;
  readonly onDamaged: (damage: SpoolDamage) => void;
}

/** The lines of the oldest file, in order. */
export interface SpooledLines {
  readonly file: SealedFile;
  readonly lines: readonly Buffer[];
  /** How many more there should be. */
  readonly missing: number;
  readonly isDamaged: boolean;
}

/** There is no room for these lines until some of what is there was removed. */
export class SpoolFull extends Error {
  override readonly name = "SpoolFull";
}

export class Spool {
  readonly #options: SpoolOptions;
  readonly #sealed: SealedFile[] = [];
  #growing: GrowingFile | undefined;
  /** The damaged file that was moved last: a removal that is tried again does not say it again. */
  #aside: SealedFile | undefined;
  #last = 0;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** Rejects with the system's error if the folder can't be read. */
  static async open(options: SpoolOptions): Promise<Spool> {
    const spool = new Spool(options);
    for (const name of (await readdir(options.folder)).sort()) await spool.#find(name);
    return spool;
  }

  /** Also false while a file is on its way to be there, or to be gone. */
  get isEmpty(): boolean {
    return this.#sealed.length === 0 && this.#growing === undefined;
  }

  /** Files whose lines were read already count until they are removed. */
  get lines(): number {
    return this.#sealed.reduce((sum, { lines }) => sum + lines, this.#growing?.lines ?? 0);
  }

  get bytes(): number {
    return this.#sealed.reduce((sum, { bytes }) => sum + bytes, this.#growing?.bytes ?? 0);
  }

  /**
   * Durable when it resolves; otherwise none of the lines counts. `alone`: in a file of their own.
   *
   * Rejects with SpoolFull, or with the system's error.
   */
  append(lines: readonly Buffer[], { alone = false } = {}): Promise<void> {
    return this.#inTurn(async () => {
      const { folder, maxBytes, durability } = this.#options;
      const records = recordsOf(lines);
      if (this.bytes + records.length > maxBytes) {
        throw new SpoolFull(`${this.bytes} of queue.spoolBytes (${maxBytes}) are in use`);
      }
      if (this.#growing && this.#growing.bytes + records.length > FILE_BYTES) await this.#seal(true);
      this.#growing ??= await GrowingFile.create(folder, this.#nextNumber(), durability);
      try {
        await this.#growing.append(records, lines.length);
      } catch (error) {
        // A file whose fsync failed is not trusted again.
        await this.#growing.takeBack();
        await this.#seal(true);
        throw error;
      }
      if (alone) await this.#seal(false);
    });
  }

  /** The oldest file's lines; undefined if there is none. Until the file is removed it is the oldest. */
  async next(): Promise<SpooledLines | undefined> {
    const file = await this.oldest();
    if (!file) return undefined;
    const content = await readIfPossible(file.path);
    const { lines, damage } = readRecords(content.subarray(0, file.bytes));
    const isDamaged = damage.length > 0 || content.length < file.bytes;
    return { file, lines, missing: file.lines - lines.length, isDamaged };
  }

  async oldest(): Promise<SealedFile | undefined> {
    if (this.#sealed.length === 0) await this.#inTurn(() => this.#seal(false));
    return this.#sealed[0];
  }

  /** Durable when it resolves. A damaged file is kept aside. May be called again after an error. */
  async remove({ file, missing, isDamaged }: Omit<SpooledLines, "lines">): Promise<void> {
    const { folder, durability, onDamaged } = this.#options;
    if (!isDamaged) {
      await rm(file.path, { force: true });
    } else if (this.#aside !== file) {
      const keptAs = await asidePath(folder, basename(file.path));
      await unlessMissing(rename(file.path, keptAs));
      this.#aside = file;
      onDamaged({ file: file.path, lines: missing, keptAs });
    }
    // It must not come back after a power cut: newer versions may then be in the store.
    if (durability === "fsync") await syncFolder(folder);
    this.#sealed.splice(this.#sealed.indexOf(file), 1);
  }

  /** What is there stays. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#seal(true));
  }

  async #find(name: string): Promise<void> {
    const { folder, onRepaired } = this.#options;
    const known = parseName(name);
    if (!known) return;
    this.#last = Math.max(this.#last, known.number);
    if (known.size) {
      this.#sealed.push({ number: known.number, path: join(folder, name), ...known.size });
      return;
    }
    const { sealed, tail } = await sealLeft(folder, name, known.number);
    if (tail) onRepaired(tail);
    if (sealed.bytes === 0) await rm(sealed.path);
    else this.#sealed.push(await nameSealed(folder, sealed));
  }

  /** `isToStay`: it may be there when the spool is opened the next time. */
  async #seal(isToStay: boolean): Promise<void> {
    if (!this.#growing) return;
    const file = await this.#growing.close();
    if (file.bytes === 0) await rm(file.path, { force: true }).catch(() => {});
    else this.#sealed.push(isToStay ? await nameSealed(this.#options.folder, file) : file);
    this.#growing = undefined;
  }

  #nextNumber(): number {
    this.#last += 1;
    return this.#last;
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(step);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

/** Of a file that is gone, or on a part of the disk that is, nothing is left to wait for. */
async function readIfPossible(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "EIO") return Buffer.alloc(0);
    throw error;
  }
}

async function unlessMissing(step: Promise<void>): Promise<void> {
  try {
    await step;
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
}
