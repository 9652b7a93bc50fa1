import type { Backend, OpenOptions } from "./backend.ts";

export const BACKEND_KINDS = ["filesystem", "sqlite"] as const;
export type BackendKind = (typeof BACKEND_KINDS)[number];

/** A store, whether it is there or not. */
export interface StorePlace {
  readonly backend: BackendKind;
  readonly path: string;
}

/** The only place that knows which kinds there are. Loaded when asked for: SQLite's native code is optional. */
export async function openStore(kind: BackendKind, options: OpenOptions): Promise<Backend> {
  switch (kind) {
    case "filesystem":
      return (await import("./filesystem/backend.ts")).openFilesystem(options);
    case "sqlite":
      return (await import("./sqlite/backend.ts")).openSqlite(options);
  }
}
