/** Those who look on while the daemon works: who follows what is stored, and the metrics. */
import type { Config } from "../config/load.ts";
import { Followers } from "../control/followers.ts";
import { type MetricSources, Metrics } from "../control/metrics.ts";
import type { Answers } from "../control/routes.ts";
import { keepTextfile } from "../control/textfile.ts";
import { type CountedEvent, errorFields, type Log } from "../log.ts";
import type { Count } from "./writing.ts";

export class Observers {
  readonly followers: Followers;
  readonly metrics = new Metrics();

  constructor(fail: (error: unknown) => void) {
    this.followers = new Followers(fail);
  }

  /** What is counted for the log, and as a metric where no other counter has it. */
  counting(log: { add(event: CountedEvent, kind: string): void }): Count {
    return (event, kind) => {
      log.add(event, kind);
      if (event === "connection.refused") this.metrics.refused(kind);
      else if (event === "reply.dropped") this.metrics.replyDropped();
    };
  }

  answers(sources: Omit<MetricSources, "followers">): Pick<Answers, "followers" | "metrics"> {
    const { followers, metrics } = this;
    const all = { ...sources, followers: () => followers.size };
    return {
      followers,
      metrics: async () => ({ text: await metrics.text(all), contentType: metrics.contentType }),
    };
  }

  /** Resolves to its end. */
  async keepTextfile(config: Config, metrics: Answers["metrics"], log: Log): Promise<() => Promise<void>> {
    const path = config.metrics.textfile;
    if (path === null) return async () => {};
    const onFailed = (error: unknown) => log("warn", "metrics.failed", errorFields(error));
    return keepTextfile({ path, text: async () => (await metrics()).text, onFailed });
  }
}
