/**
 * What days that went leave to be done: their empty folders to be removed, and the removal to be made durable. That is
 * done once for all days of a run, where no order is to be kept: what a power cut brings back of them is old still,
 * and goes with the next run.
 */
import { dirname, join } from "node:path";
import { removeEmptyFolder, syncPath } from "../durable.ts";
import { dayFolder } from "./layout.ts";

export class Removals {
  readonly #root: string;
  /** Folders that lost a name. */
  readonly #changed = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** The day lost files, and goes itself if it has none left. */
  finishDay(day: number): void {
    const folder = join(this.#root, dayFolder(day));
    this.#changed.add(removeEmptyFolder(folder) ? dirname(folder) : folder);
  }

  /** What fails here is asked for again the next time. */
  makeDurable(): void {
    for (const folder of this.#changed) {
      let rest = folder;
      while (rest !== this.#root && removeEmptyFolder(rest)) rest = dirname(rest);
      syncPath(rest);
      this.#changed.delete(folder);
    }
  }
}
