/** The rejected lines of a running daemon: kept, gone when their days are over, sent again, purged; and the log of it. */
import type { Config } from "../config/load.ts";
import type { RejectedOrders } from "../control/rejected.ts";
import { errorFields, type Log } from "../log.ts";
import type { BatchParser } from "../pattern/batch-parser.ts";
import type { Entry, Sender } from "../pattern/settlement.ts";
import { judgeByParser, judgeByQueue } from "../queue/rejected/judges.ts";
import { RejectedLines } from "../queue/rejected/rejected.ts";
import { RejectedReview } from "../queue/rejected/replay.ts";

const EXPIRY_MS = 3_600_000;

export function rejectedLines(config: Config, log: Log, count: (dropped: number) => void): RejectedLines {
  return new RejectedLines({
    folder: config.rejected.path,
    maxBytes: config.rejected.maxBytes,
    days: config.rejected.days,
    durability: config.durability,
    onDropped: (dropped) => {
      log("warn", "rejected.dropped", { ...dropped });
      count(dropped.lines ?? 0);
    },
    onExpired: (expired) => log("info", "rejected.expired", { ...expired }),
  });
}

/** Now, and each hour until it is ended by what is returned. */
export function expireHourly(rejected: RejectedLines, log: Log): () => void {
  const expire = () => {
    rejected.expire().catch((error: unknown) => log("warn", "rejected.overdue", errorFields(error)));
  };
  const timer = setInterval(expire, EXPIRY_MS);
  expire();
  return () => clearInterval(timer);
}

/** What the control socket tells the daemon to do with them; `stop` ends what is under way. */
export function rejectedOrders(
  config: Config,
  rejected: RejectedLines,
  queue: { put(sender: Sender, entry: Entry): void },
  parser: BatchParser,
  log: Log,
): RejectedOrders & { readonly review: RejectedReview; stop(): void } {
  const review = new RejectedReview(rejected, config.ingest.maxLineBytes);
  const byQueue = judgeByQueue(queue);
  const byParser = judgeByParser((lines) => parser.parse(lines));
  return {
    async replay(filter, isDry) {
      const report = await review.replay(filter, isDry ? byParser : byQueue, isDry);
      if (!isDry) log("info", "rejected.replayed", { ...report });
      return report;
    },
    async purge(filter, isDry) {
      const report = await review.purge(filter, isDry);
      if (!isDry) log("info", "rejected.purged", { ...report });
      return report;
    },
    review,
    stop: () => review.stop(),
  };
}
