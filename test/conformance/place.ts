/** Where a test's store is. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Backend, OpenOptions } from "../../src/store/backend.ts";

export type Open = (options: OpenOptions) => Promise<Backend>;

/** A place for one store, in a folder of its own; closed and removed when the test is over. */
export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), "patternd-store-"));
  readonly path = join(this.folder, "store");
  readonly #open: Open;
  readonly #opened: Backend[] = [];

  constructor(open: Open) {
    this.#open = open;
    onTestFinished(() => this.remove());
  }

  async open(options: Partial<OpenOptions> = {}): Promise<Backend> {
    const defaults = { path: this.path, durability: "os", timezone: "UTC", readOnly: false } as const;
    const backend = await this.#open({ ...defaults, ...options });
    this.#opened.push(backend);
    return backend;
  }

  /** What stands in the days of a store on files, without the indexes, which are caches. */
  dayFiles(): string[] {
    return this.entries()
      .map(({ path }) => path.replace(/^store\/?/, ""))
      .filter((path) => /^\d/.test(path) && !path.endsWith(".index"))
      .sort();
  }

  /** Of everything in the folder, with the permissions of each. */
  entries(): { path: string; mode: number }[] {
    return readdirSync(this.folder, { recursive: true, encoding: "utf8" }).map((path) => {
      return { path, mode: statSync(join(this.folder, path)).mode };
    });
  }

  async remove(): Promise<void> {
    for (const backend of this.#opened.splice(0)) await backend.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
