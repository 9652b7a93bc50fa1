/** What PatternStorage needs of a store, whoever has it open. */
import type { Backend } from "../store/backend.ts";
import { dayBefore, instantBefore } from "./age.ts";
import type { UpkeepDays } from "./options.ts";

export interface HeldStore extends Pick<Backend, "write" | "get" | "query" | "analyse" | "close"> {
  /** IANA zone in which timestamps without a zone are read. */
  readonly timezone: string;
  /** What is older than so many days, or than is set; resolves to how many patterns went. */
  deleteOld(days: number | undefined): Promise<number>;
  /** Days that ended so many days ago, or as many as is set; resolves to how many files were made smaller. */
  compressOld(days: number | undefined): Promise<number>;
}

/** A store that this process has opened itself. */
export function ownStore(store: Backend, { retentionDays, compressAfterDays }: UpkeepDays): HeldStore {
  return {
    timezone: store.metadata.timezone,
    write: (patterns) => store.write(patterns),
    get: (id) => store.get(id),
    query: (filter, page) => store.query(filter, page),
    analyse: (filter, periods) => store.analyse(filter, periods),
    deleteOld: (days = retentionDays) => store.deleteOlderThan(instantBefore(days)),
    compressOld: (days = compressAfterDays) => store.compress(dayBefore(days)),
    close: () => store.close(),
  };
}
