import type { LineCounts } from "../pattern/settlement.ts";
import type { JobsStatus } from "../upkeep/status.ts";

/** The answer to `GET /health`. `degraded`: the daemon works, but not all of it; `reasons` says why. */
export interface Health {
  readonly status: "ready" | "degraded";
  readonly reasons: readonly string[];
  readonly version: string;
  readonly pid: number;
  readonly started: string;
  readonly store: { readonly backend: string; readonly path: string; readonly timezone: string };
  readonly connections: number;
  readonly lines: LineCounts;
  /** The rejected lines that are kept, on disk. */
  readonly rejected: { readonly path: string; readonly files: number; readonly bytes: number };
  /** Deletion and compression: when they ran and will. */
  readonly jobs: JobsStatus;
  /** What waits on disk for the store. */
  readonly spool: { readonly lines: number; readonly bytes: number };
}
