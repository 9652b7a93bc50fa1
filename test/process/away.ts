/** A store on files that is away for a while. */
import { renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Home } from "./daemon.ts";

const store = (home: Home) => join(home.state, "patterns");

/** The store's folder is away, like a disk that is not mounted: what has no open segment yet can't be written. */
export function breakStore(home: Home): void {
  renameSync(store(home), `${store(home)}.away`);
  symlinkSync(join(home.folder, "not mounted"), store(home));
}

export function mendStore(home: Home): void {
  rmSync(store(home));
  renameSync(`${store(home)}.away`, store(home));
}
