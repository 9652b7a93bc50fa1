/**
 * What can be asked for, and the registry that keeps it in Prometheus' format: loaded with the first one that is kept, or
 * asked for, since prom-client brings along parts of Node that take MiB of memory. docs/metrics.md lists the same ones.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const LINES = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];

interface Figure {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels?: readonly string[];
  readonly buckets?: readonly number[];
}

export const METRICS = {
  patternd_info: { kind: "gauge", help: "1, with version and backend", labels: ["version", "backend"] },
  patternd_ready: { kind: "gauge", help: "1 if ready, 0 if degraded" },
  patternd_failing: { kind: "gauge", help: "1 for each part that fails at the moment", labels: ["part"] },
  patternd_failures_total: { kind: "counter", help: "times that a part began to fail", labels: ["part"] },
  patternd_lines_received_total: {
    kind: "counter",
    help: "lines that came, by where from",
    labels: ["origin"],
  },
  patternd_lines_settled_total: { kind: "counter", help: "what became of them", labels: ["outcome"] },
  patternd_lines_rejected_total: { kind: "counter", help: "rejected lines by code", labels: ["code"] },
  patternd_lines_in_flight: { kind: "gauge", help: "lines in memory that are not settled yet" },
  patternd_queue_bytes: {
    kind: "gauge",
    help: "bytes in memory that are not settled yet, with what a line takes; `queue.maxBytes` bounds them",
  },
  patternd_batch_lines: { kind: "histogram", help: "lines in a batch", buckets: LINES },
  patternd_batch_bytes_total: {
    kind: "counter",
    help: "bytes of all batches, with what a line takes in memory",
  },
  patternd_flush_seconds: {
    kind: "histogram",
    help: "from a parsed batch to one that is durable",
    buckets: SECONDS,
  },
  patternd_store_write_seconds: {
    kind: "histogram",
    help: "one write to the store, its fsync included",
    buckets: SECONDS,
  },
  patternd_store_fsync_seconds: {
    kind: "histogram",
    help: "of one write to the store, its fsyncs (SQLite: its commit)",
    buckets: SECONDS,
  },
  patternd_spool_lines: { kind: "gauge", help: "lines that wait on disk for the store" },
  patternd_spool_bytes: { kind: "gauge", help: "bytes that wait on disk for the store" },
  patternd_rejected_kept_files: { kind: "gauge", help: "files of rejected lines" },
  patternd_rejected_kept_bytes: { kind: "gauge", help: "bytes of rejected lines" },
  patternd_connections: { kind: "gauge", help: "open connections of senders" },
  patternd_connections_refused_total: {
    kind: "counter",
    help: "senders that were closed",
    labels: ["reason"],
  },
  patternd_replies_dropped_total: { kind: "counter", help: "replies that a sender did not read" },
  patternd_followers: { kind: "gauge", help: "open connections that follow what is stored" },
  patternd_job_runs_total: { kind: "counter", help: "runs of a job, by outcome", labels: ["job", "outcome"] },
  patternd_job_items_total: {
    kind: "counter",
    help: "patterns removed, or files compressed",
    labels: ["job"],
  },
  patternd_job_last_run_timestamp_seconds: { kind: "gauge", help: "when a job began last", labels: ["job"] },
  patternd_job_last_run_seconds: { kind: "gauge", help: "how long it took", labels: ["job"] },
  process_start_time_seconds: { kind: "gauge", help: "when the daemon started" },
  process_cpu_seconds_total: { kind: "counter", help: "processor time, of all threads" },
  process_resident_memory_bytes: { kind: "gauge", help: "memory" },
  process_heap_bytes: { kind: "gauge", help: "memory of the main thread's JavaScript heap" },
  process_open_fds: { kind: "gauge", help: "open files and sockets (Linux)" },
} as const satisfies Record<string, Figure>;

export type MetricName = keyof typeof METRICS;

export class Figures {
  readonly #registry = new Registry();
  readonly #levels = new Map<string, Counter | Gauge>();
  readonly #histograms = new Map<string, Histogram>();

  constructor() {
    const figures: [string, Figure][] = Object.entries(METRICS);
    for (const [name, { kind, help, labels = [], buckets = [] }] of figures) {
      const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
      if (kind === "histogram")
        this.#histograms.set(name, new Histogram({ ...options, buckets: [...buckets] }));
      else this.#levels.set(name, kind === "gauge" ? new Gauge(options) : new Counter(options));
    }
  }

  observe(name: MetricName, value: number): void {
    this.#histograms.get(name)?.observe(value);
  }

  set(name: MetricName, value: number, labels: Record<string, string> = {}): void {
    this.#levels.get(name)?.reset();
    this.#put(name, value, labels);
  }

  /** One for each kind, and none of another. */
  setAll(name: MetricName, label: string, values: Iterable<readonly [string, number]>): void {
    this.#levels.get(name)?.reset();
    for (const [kind, value] of values) this.#put(name, value, { [label]: kind });
  }

  /** Likewise for more labels than one. */
  setEach(name: MetricName, values: Iterable<readonly [Record<string, string>, number]>): void {
    this.#levels.get(name)?.reset();
    for (const [labels, value] of values) this.#put(name, value, labels);
  }

  async answer(): Promise<{ readonly text: string; readonly contentType: string }> {
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }

  #put(name: MetricName, value: number, labels: Record<string, string>): void {
    this.#levels.get(name)?.inc(labels, value);
  }
}
