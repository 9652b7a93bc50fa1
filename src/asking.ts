/** Everything that answers, put together: the query and the control socket, who follows, and the metrics. */
import type { Config } from "./config/load.ts";
import { Followers } from "./control/followers.ts";
import { type MetricSources, Metrics } from "./control/metrics.ts";
import { type Answers, controlRoutes, queryRoutes } from "./control/routes.ts";
import { ControlServer } from "./control/server.ts";
import { keepTextfile } from "./control/textfile.ts";
import { type CountedEvent, errorFields, type Log } from "./log.ts";
import type { Count } from "./writing.ts";

type Release = () => Promise<void> | void;

/** What others have to say. */
export type Answering = Omit<Answers, "followers" | "metrics"> & Omit<MetricSources, "followers">;

export class Asking {
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

  /** Each of the sockets, and the metrics' file if there is to be one, leaves its release. */
  async serve(config: Config, parts: Answering, log: Log, releases: Release[]): Promise<void> {
    const { followers, metrics } = this;
    const text = () => metrics.text({ ...parts, followers: () => followers.size });
    const answers: Answers = {
      ...parts,
      followers,
      metrics: async () => ({ text: await text(), contentType: metrics.contentType }),
    };
    const path = config.metrics.textfile;
    if (path !== null) {
      const onFailed = (error: unknown) => log("warn", "metrics.failed", errorFields(error));
      releases.push(await keepTextfile({ path, text, onFailed }));
    }
    for (const [app, { socket, mode }] of [
      [queryRoutes(answers), config.query],
      [controlRoutes(answers), config.control],
    ] as const) {
      const server = await ControlServer.listen(app, socket, mode);
      releases.push(() => server.stop());
    }
  }
}
