/** Deletion and compression in a running daemon, put together. */
import type { Config } from "./config/load.ts";
import type { Log } from "./log.ts";
import { readUpkeepFile, writeUpkeepFile } from "./store/upkeep-file.ts";
import { Jobs } from "./upkeep/jobs.ts";
import type { UpkeepStore } from "./upkeep/work.ts";

/** Not started yet. */
export function upkeepJobs(config: Config, store: UpkeepStore, log: Log): Jobs {
  return new Jobs({
    store,
    settings: config,
    text: {
      read: () => readUpkeepFile(config),
      write: (text) => writeUpkeepFile(config, text),
    },
    log,
  });
}
