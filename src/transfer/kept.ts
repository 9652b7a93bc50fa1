import { closeSync, fstatSync, fsyncSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { RejectedLine } from "../pattern/rejection.ts";
import { keptRecord } from "../queue/rejected/kept-record.ts";
import { makeFolder, syncPath } from "../store/durable.ts";
import { type Origin, originText } from "./record.ts";

/** What could not be imported: `imports-<time>.ndjson` beside the rejected lines, made when there is any. */
export class KeptRecords {
  readonly #folder: string;
  readonly #time: string;
  #open: { readonly fd: number; readonly path: string } | undefined;

  constructor(folder: string, now: Date) {
    this.#folder = folder;
    this.#time = now.toISOString();
  }

  keep(origin: Origin, line: RejectedLine): void {
    this.#open ??= this.#create();
    const record = { source: originText(origin), ...keptRecord(line, this.#time) };
    writeSync(this.#open.fd, `${JSON.stringify(record)}\n`);
  }

  /** Whether this is the file that they are kept in, by whatever path. */
  isIn(file: string): boolean {
    if (!this.#open) return false;
    const own = fstatSync(this.#open.fd);
    const other = statSync(file, { throwIfNoEntry: false });
    return other?.ino === own.ino && other.dev === own.dev;
  }

  /** Durable when it returns. The file's path, if there is one. */
  close(): string | undefined {
    if (!this.#open) return undefined;
    const { fd, path } = this.#open;
    fsyncSync(fd);
    closeSync(fd);
    syncPath(this.#folder);
    this.#open = undefined;
    return path;
  }

  #create() {
    makeFolder(this.#folder);
    const path = join(this.#folder, `imports-${this.#time.replaceAll(":", "-")}.ndjson`);
    return { fd: openSync(path, "wx", 0o600), path };
  }
}
