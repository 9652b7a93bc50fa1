/** What patterns end up in, opened: the store, in a thread of its own, and beside it the spool. */
import type { Config } from "../config/load.ts";
import type { Log } from "../log.ts";
import { BatchMemory } from "../pattern/batch-memory.ts";
import type { Spool } from "../queue/spool/spool.ts";
import type { StoreRepair } from "../store/backend.ts";
import type { WriterLock } from "../store/lock.ts";
import { openInThreads, type ThreadedStore } from "../store/thread.ts";
import { VERSION } from "../version.ts";
import { openSpool } from "./writing.ts";

export type Release = () => Promise<void> | void;

export interface Opening {
  readonly config: Config;
  readonly log: Log;
  /** How long a sync took. */
  readonly onSynced: (ms: number) => void;
  /** When a thread has ended by itself. */
  readonly fail: (error: unknown) => void;
  /** When the store is closed, and the spool is still ours. */
  readonly onClosed: Release;
}

export interface Opened {
  readonly store: ThreadedStore;
  /** What batches are packed in. */
  readonly memory: BatchMemory;
  readonly spool: Spool;
  /** Of the spool. */
  readonly lock: WriterLock;
  /** The spool is to end so, instead of being left as it is. */
  endSpoolBy(end: Release): void;
}

/**
 * The store first: whoever has its lock may use the spool, too.
 *
 * @param releases gets what undoes each opening
 */
export async function openPlaces(
  { config, log, onSynced, fail, onClosed }: Opening,
  releases: Release[],
): Promise<Opened> {
  let endSpool: Release = () => {};
  releases.push(() => endSpool());
  releases.push(onClosed);
  const memory = new BatchMemory();
  const opening = openStore(config, log, onSynced, fail, memory);
  // It may be on its way when something else fails.
  releases.push(() =>
    opening.then(
      (store) => store.close(),
      () => {},
    ),
  );
  const store = await opening;
  const { spool, lock } = await openSpool(config, log);
  endSpool = () => lock.release();
  const endSpoolBy = (end: Release) => {
    endSpool = end;
  };
  return { store, memory, spool, lock, endSpoolBy };
}

async function openStore(
  config: Config,
  log: Log,
  onSynced: (ms: number) => void,
  fail: (error: unknown) => void,
  memory: BatchMemory,
): Promise<ThreadedStore> {
  const options = {
    path: config.path,
    durability: config.durability,
    timezone: config.timezone,
    readOnly: false,
    holder: `patternd ${VERSION}`,
    onRepair: (repair: StoreRepair) => log("warn", "store.repaired", { ...repair }),
    onSynced,
  };
  const store = await openInThreads(config.backend, options, fail, memory);
  const { timezone, format } = store.metadata;
  log("info", "store.opened", { backend: config.backend, path: config.path, timezone, format });
  return store;
}
