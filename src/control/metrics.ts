/**
 * Figures for Prometheus. What the daemon counts anyway is read when it is asked for; only how long batches take is
 * noted as they go, once a batch. docs/metrics.md lists the same ones.
 */
import { readdirSync } from "node:fs";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Health } from "./health.ts";
import type { JobFigures } from "./job-figures.ts";

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
  patternd_rejected_dropped_lines_total: {
    kind: "counter",
    help: "rejected lines that went with their file since `rejected.maxBytes` was reached",
  },
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

export interface MetricSources {
  readonly health: () => Health;
  /** Parts of the daemon that may fail, and whether they do. */
  readonly failing: () => Readonly<Record<string, boolean>>;
  /** What is counted against `queue.maxBytes`. */
  readonly queueBytes: () => number;
  readonly followers: () => number;
  readonly jobFigures: () => JobFigures;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #levels = new Map<string, Counter | Gauge>();
  readonly #histograms = new Map<string, Histogram>();
  readonly #failures = new Map<string, number>();
  readonly #refused = new Map<string, number>();
  #repliesDropped = 0;
  #rejectedDropped = 0;
  #batchBytes = 0;

  constructor() {
    const figures: [string, Figure][] = Object.entries(METRICS);
    for (const [name, { kind, help, labels = [], buckets = [] }] of figures) {
      const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
      if (kind === "histogram")
        this.#histograms.set(name, new Histogram({ ...options, buckets: [...buckets] }));
      else this.#levels.set(name, kind === "gauge" ? new Gauge(options) : new Counter(options));
    }
  }

  flushed({
    lines,
    bytes,
    ms,
  }: {
    readonly lines: number;
    readonly bytes: number;
    readonly ms: number;
  }): void {
    this.#histograms.get("patternd_batch_lines")?.observe(lines);
    this.#histograms.get("patternd_flush_seconds")?.observe(ms / 1_000);
    this.#batchBytes += bytes;
  }

  /** Times a write. One that fails is none. */
  async written<T>(write: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const result = await write();
    this.#histograms.get("patternd_store_write_seconds")?.observe((performance.now() - started) / 1_000);
    return result;
  }

  synced(ms: number): void {
    this.#histograms.get("patternd_store_fsync_seconds")?.observe(ms / 1_000);
  }

  failed(part: string): void {
    add(this.#failures, part);
  }

  refused(reason: string): void {
    add(this.#refused, reason);
  }

  replyDropped(): void {
    this.#repliesDropped += 1;
  }

  rejectedDropped(lines: number): void {
    this.#rejectedDropped += lines;
  }

  /** In Prometheus' text format. */
  async text(sources: MetricSources): Promise<string> {
    const health = sources.health();
    this.#fillLines(health);
    this.#set("patternd_info", 1, { version: health.version, backend: health.store.backend });
    this.#set("patternd_ready", health.status === "ready" ? 1 : 0);
    this.#setAll(
      "patternd_failing",
      "part",
      Object.entries(sources.failing()).map(([part, is]) => [part, is ? 1 : 0]),
    );
    this.#setAll("patternd_failures_total", "part", this.#failures);
    this.#set("patternd_queue_bytes", sources.queueBytes());
    this.#set("patternd_batch_bytes_total", this.#batchBytes);
    this.#set("patternd_rejected_dropped_lines_total", this.#rejectedDropped);
    this.#set("patternd_connections", health.connections);
    this.#setAll("patternd_connections_refused_total", "reason", this.#refused);
    this.#set("patternd_replies_dropped_total", this.#repliesDropped);
    this.#set("patternd_followers", sources.followers());
    this.#fillJobs(sources.jobFigures());
    this.#fillProcess(health);
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #fillLines({ lines, spool, rejected }: Health): void {
    this.#setAll("patternd_lines_received_total", "origin", [
      ["socket", lines.received],
      ["outbox", lines.from_outbox],
      ["replayed", lines.replayed],
      ["spool", lines.spooled_at_start],
    ]);
    const outcomes = ["stored", "replaced", "superseded", "rejected", "not_collected", "damaged"] as const;
    this.#setAll(
      "patternd_lines_settled_total",
      "outcome",
      outcomes.map((kind) => [kind, lines[kind]]),
    );
    this.#setAll("patternd_lines_rejected_total", "code", Object.entries(lines.rejected_by_code));
    this.#set("patternd_lines_in_flight", lines.in_flight);
    this.#set("patternd_spool_lines", spool.lines);
    this.#set("patternd_spool_bytes", spool.bytes);
    this.#set("patternd_rejected_kept_files", rejected.files);
    this.#set("patternd_rejected_kept_bytes", rejected.bytes);
  }

  #fillJobs(jobs: JobFigures): void {
    const all = Object.entries(jobs);
    this.#setAll(
      "patternd_job_items_total",
      "job",
      all.map(([job, { total }]) => [job, total]),
    );
    const lasts = all.flatMap(([job, { last }]) => (last ? [{ job, last }] : []));
    this.#setAll(
      "patternd_job_last_run_seconds",
      "job",
      lasts.map(({ job, last }) => [job, last.ms / 1_000]),
    );
    this.#setAll(
      "patternd_job_last_run_timestamp_seconds",
      "job",
      lasts.map(({ job, last }) => [job, Date.parse(last.started) / 1_000]),
    );
    this.#levels.get("patternd_job_runs_total")?.reset();
    for (const [job, { runs }] of all)
      for (const [outcome, count = 0] of Object.entries(runs))
        this.#put("patternd_job_runs_total", count, { job, outcome });
  }

  #fillProcess({ started }: Health): void {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    this.#set("process_start_time_seconds", Date.parse(started) / 1_000);
    this.#set("process_cpu_seconds_total", (user + system) / 1e6);
    this.#set("process_resident_memory_bytes", rss);
    this.#set("process_heap_bytes", heapUsed);
    const descriptors = openDescriptors();
    if (descriptors !== undefined) this.#set("process_open_fds", descriptors);
  }

  #set(name: MetricName, value: number, labels: Record<string, string> = {}): void {
    this.#levels.get(name)?.reset();
    this.#put(name, value, labels);
  }

  #setAll(name: MetricName, label: string, values: Iterable<readonly [string, number]>): void {
    this.#levels.get(name)?.reset();
    for (const [kind, value] of values) this.#put(name, value, { [label]: kind });
  }

  #put(name: MetricName, value: number, labels: Record<string, string>): void {
    this.#levels.get(name)?.inc(labels, value);
  }
}

function add(counts: Map<string, number>, kind: string): void {
  counts.set(kind, (counts.get(kind) ?? 0) + 1);
}

function openDescriptors(): number | undefined {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return undefined;
  }
}
