/** Deletion, compression and forgetting in a running daemon, put together. */
import { setTimeout } from "node:timers/promises";
import pLimit from "p-limit";
import type { Config } from "../config/load.ts";
import type { Forget } from "../control/forget.ts";
import { PatterndError } from "../errors.ts";
import { forget, type Parts, type Places } from "../forgetting/forget.ts";
import type { Log } from "../log.ts";
import { Zone } from "../pattern/zone.ts";
import type { Spool } from "../queue/spool/spool.ts";
import type { Backend } from "../store/backend.ts";
import { readUpkeepFile, writeUpkeepFile } from "../store/upkeep-file.ts";
import { Jobs } from "../upkeep/jobs.ts";
import type { UpkeepStore } from "../upkeep/work.ts";

/** How long the store has for what waits in the spool, before what is to be forgotten can't be told. */
const DRAIN_MS = 10_000;
const DRAIN_STEP_MS = 50;

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

/** Where patterns are besides in the store. */
export function placesOf(config: Config): Places {
  const { backend, path, queue, rejected, outbox } = config;
  return { store: { backend, path }, spool: queue.spoolPath, rejected: rejected.path, outbox: outbox.path };
}

export interface ForgetParts {
  readonly config: Config;
  readonly store: Pick<Backend, "get" | "query" | "refuse" | "forget" | "metadata">;
  readonly queue: { flush(): Promise<void> };
  readonly spool: Pick<Spool, "isEmpty" | "lines">;
  readonly review: Parts["review"];
  readonly log: Log;
}

/**
 * One at a time: two would replace the same files.
 *
 * @throws PatterndError `store_failed` while lines wait in the spool: what they hold is not known yet.
 */
export function forgetOrder({ config, store, queue, spool, review, log }: ForgetParts): Forget {
  const run: Forget = async (wanted, isDry) => {
    await queue.flush();
    for (let waited = 0; !spool.isEmpty; waited += DRAIN_STEP_MS) {
      if (waited >= DRAIN_MS) {
        const message = `${spool.lines} lines wait in the spool, and may hold what is to be forgotten`;
        const hint = "Ask again once the store has taken them: `patternd status` says so.";
        throw new PatterndError("store_failed", message, { hint });
      }
      await setTimeout(DRAIN_STEP_MS);
    }
    const zone = new Zone(store.metadata.timezone);
    const { maxLineBytes } = config.ingest;
    const report = await forget(
      { store, zone, review, places: placesOf(config), maxLineBytes, isServed: true },
      wanted,
      isDry,
    );
    if (!isDry) log("info", "pattern.forgotten", { ...report });
    return report;
  };
  const turns = pLimit(1);
  return (wanted, isDry) => turns(() => run(wanted, isDry));
}
