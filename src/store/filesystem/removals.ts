/**
 * What days that went leave to be done: their empty folders to be removed, and the removal to be made durable. That is
 * done once for all days of a call where no order is to be kept: what a power cut brings back of them is old still, and
 * goes with the next run. Before a pattern is written it is done too: one of those that went may come again, as a
 * new one.
 */
import { dirname, join } from "node:path";
import { isFolder, removeEmptyFolder, syncPath } from "../durable.ts";
import { dayFolder } from "./layout.ts";

export class Removals {
  readonly #root: string;
  /** Folders that lost a name. */
  readonly #changed = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** The day loses files, or has others in their places. */
  noteFiles(day: number): void {
    this.#changed.add(join(this.#root, dayFolder(day)));
  }

  /** Removes the day's folder and those above it as far as they are empty. */
  removeFolders(day: number): void {
    let folder = join(this.#root, dayFolder(day));
    while (folder !== this.#root && removeEmptyFolder(folder)) {
      this.#changed.delete(folder);
      folder = dirname(folder);
      this.#changed.add(folder);
    }
  }

  /** What fails here is asked for again the next time. */
  makeDurable(): void {
    for (const folder of this.#changed) {
      // Somebody else may have removed it.
      if (isFolder(folder)) syncPath(folder);
      this.#changed.delete(folder);
    }
  }
}
