/**
 * Figures for Prometheus. What the daemon counts anyway is read when it is asked for; only how long batches take is
 * noted as they go, once a batch.
 */
import { readdirSync } from "node:fs";
import type { Figures, MetricName } from "./figures.ts";
import type { Health } from "./health.ts";
import type { JobFigures } from "./job-figures.ts";

/** A sender's first batch need not wait for what keeps its figures to be loaded. */
const LOAD_AFTER_MS = 1_000;

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
  readonly #fail: (error: unknown) => void;
  readonly #failures = new Map<string, number>();
  readonly #refused = new Map<string, number>();
  #repliesDropped = 0;
  #batchBytes = 0;
  /** From the first observation on. */
  #loadingSoon: NodeJS.Timeout | undefined;
  #loading: Promise<Figures> | undefined;
  #figures: Figures | undefined;
  /** What was observed until it was loaded. */
  readonly #observed: [MetricName, number][] = [];

  /** `fail`: with what can't be loaded. */
  constructor(fail: (error: unknown) => void) {
    this.#fail = fail;
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
    this.#observe("patternd_batch_lines", lines);
    this.#observe("patternd_flush_seconds", ms / 1_000);
    this.#batchBytes += bytes;
  }

  /** Times a write. One that fails is none. */
  async written<T>(write: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const result = await write();
    this.#observe("patternd_store_write_seconds", (performance.now() - started) / 1_000);
    return result;
  }

  synced(ms: number): void {
    this.#observe("patternd_store_fsync_seconds", ms / 1_000);
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

  /** In Prometheus' text format. */
  async answer(sources: MetricSources): Promise<{ readonly text: string; readonly contentType: string }> {
    const figures = await this.#load();
    const health = sources.health();
    fillLines(figures, health);
    figures.set("patternd_info", 1, { version: health.version, backend: health.store.backend });
    figures.set("patternd_ready", health.status === "ready" ? 1 : 0);
    figures.setAll(
      "patternd_failing",
      "part",
      Object.entries(sources.failing()).map(([part, is]) => [part, is ? 1 : 0]),
    );
    figures.setAll("patternd_failures_total", "part", this.#failures);
    figures.set("patternd_queue_bytes", sources.queueBytes());
    figures.set("patternd_batch_bytes_total", this.#batchBytes);
    figures.set("patternd_connections", health.connections);
    figures.setAll("patternd_connections_refused_total", "reason", this.#refused);
    figures.set("patternd_replies_dropped_total", this.#repliesDropped);
    figures.set("patternd_followers", sources.followers());
    fillJobs(figures, sources.jobFigures());
    fillProcess(figures, health);
    return figures.answer();
  }

  #observe(name: MetricName, value: number): void {
    if (this.#figures) {
      this.#figures.observe(name, value);
      return;
    }
    this.#observed.push([name, value]);
    this.#loadingSoon ??= setTimeout(() => this.#load().catch(this.#fail), LOAD_AFTER_MS).unref();
  }

  #load(): Promise<Figures> {
    this.#loading ??= import("./figures.ts").then(({ Figures }) => {
      const figures = new Figures();
      for (const [name, value] of this.#observed.splice(0)) figures.observe(name, value);
      this.#figures = figures;
      return figures;
    });
    return this.#loading;
  }
}

function fillLines(figures: Figures, { lines, spool, rejected }: Health): void {
  figures.setAll("patternd_lines_received_total", "origin", [
    ["socket", lines.received],
    ["outbox", lines.from_outbox],
    ["replayed", lines.replayed],
    ["spool", lines.spooled_at_start],
  ]);
  const outcomes = ["stored", "replaced", "superseded", "rejected", "not_collected", "damaged"] as const;
  figures.setAll(
    "patternd_lines_settled_total",
    "outcome",
    outcomes.map((kind) => [kind, lines[kind]]),
  );
  figures.setAll("patternd_lines_rejected_total", "code", Object.entries(lines.rejected_by_code));
  figures.set("patternd_lines_in_flight", lines.in_flight);
  figures.set("patternd_spool_lines", spool.lines);
  figures.set("patternd_spool_bytes", spool.bytes);
  figures.set("patternd_rejected_kept_files", rejected.files);
  figures.set("patternd_rejected_kept_bytes", rejected.bytes);
}

function fillJobs(figures: Figures, jobs: JobFigures): void {
  const all = Object.entries(jobs);
  figures.setAll(
    "patternd_job_items_total",
    "job",
    all.map(([job, { total }]) => [job, total]),
  );
  const lasts = all.flatMap(([job, { last }]) => (last ? [{ job, last }] : []));
  figures.setAll(
    "patternd_job_last_run_seconds",
    "job",
    lasts.map(({ job, last }) => [job, last.ms / 1_000]),
  );
  figures.setAll(
    "patternd_job_last_run_timestamp_seconds",
    "job",
    lasts.map(({ job, last }) => [job, Date.parse(last.started) / 1_000]),
  );
  figures.setEach(
    "patternd_job_runs_total",
    all.flatMap(([job, { runs }]) =>
      Object.entries(runs).map(([outcome, count = 0]) => [{ job, outcome }, count] as const),
    ),
  );
}

function fillProcess(figures: Figures, { started }: Health): void {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  figures.set("process_start_time_seconds", Date.parse(started) / 1_000);
  figures.set("process_cpu_seconds_total", (user + system) / 1e6);
  figures.set("process_resident_memory_bytes", rss);
  figures.set("process_heap_bytes", heapUsed);
  const descriptors = openDescriptors();
  if (descriptors !== undefined) figures.set("process_open_fds", descriptors);
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
