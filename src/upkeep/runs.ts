/** One run of a job: what it does, what is remembered of it and what is logged. */
import { isStopping, messageOf } from "../errors.ts";
import { errorFields, type Log } from "../log.ts";
import type { Census } from "../store/backend.ts";
import { dayOf } from "../store/days.ts";
import { decide, type Planned, pastAfter } from "./announce.ts";
import { type Clock, clockFault } from "./clock.ts";
import type { Memory } from "./memory.ts";
import { byTypeOf, patternsOf, type RetentionPolicy } from "./policy.ts";
import { type JobReport, reported } from "./report.ts";
import type { JobName, Outcome, Run, UpkeepState } from "./state.ts";
import { plannedStatus, runStatus, timeText } from "./status.ts";
import {
  bytesIn,
  compressByDay,
  deletePlanned,
  type PlannedDeletion,
  planCompression,
  planDeletion,
  type Step,
  type UpkeepStore,
} from "./work.ts";

const HOUR_MS = 3_600_000;

export interface JobSettings {
  readonly retention: RetentionPolicy & { readonly schedule: string; readonly graceHours: number };
  readonly compression: { readonly afterDays: number; readonly schedule: string };
  /** IANA zone. */
  readonly scheduleTimezone: string;
}

export interface Asked {
  readonly isDry: boolean;
  /** Of a retention: in place of `retention.days`, and without `retention.maxBytes`. */
  readonly days?: number | undefined;
}

/** How a run ended, and what is to be remembered besides. */
interface Ended {
  readonly outcome: Outcome;
  readonly report: JobReport;
  readonly error?: string;
  readonly part?: Partial<UpkeepState>;
}

export class Runs {
  readonly #store: UpkeepStore;
  readonly #memory: Memory;
  readonly #log: Log;
  readonly #clock: Clock;

  constructor(parts: { store: UpkeepStore; memory: Memory; log: Log; clock: Clock }) {
    this.#store = parts.store;
    this.#memory = parts.memory;
    this.#log = parts.log;
    this.#clock = parts.clock;
  }

  /** Whatever fails is logged and remembered, and is no reason to stop. */
  async scheduled(
    job: JobName,
    handled: number | undefined,
    settings: JobSettings,
    step: Step,
  ): Promise<void> {
    await this.#recorded({ job, reason: "scheduled", handled, step }, () =>
      job === "retention"
        ? this.#scheduledRetention(settings, step)
        : this.#compression(settings, false, step),
    ).catch(() => {});
  }

  async asked(job: JobName, asked: Asked, settings: JobSettings, step: Step): Promise<JobReport> {
    const run = () =>
      job === "retention"
        ? this.#askedRetention(settings, asked, step)
        : this.#compression(settings, asked.isDry, step);
    if (asked.isDry) return (await run()).report;
    return this.#recorded({ job, reason: "asked", handled: undefined, step }, run);
  }

  async #scheduledRetention({ retention }: JobSettings, step: Step): Promise<Ended> {
    const reading = this.#clock();
    const { now } = reading;
    const { clock, settled, imported, planned } = this.#memory.state;
    const fault = clock && clockFault(clock, reading);
    if (fault !== undefined) {
      this.#log("error", "retention.blocked", { error: fault });
      return { outcome: "blocked", error: fault, report: await this.#untouched("retention") };
    }
    const policy = policyOf(retention);
    const plan = await planDeletion(this.#store, policy, now, "whole");
    const { shares, isMost } = plan.census;
    const wanted = { policy, patterns: patternsOf(shares), byType: byTypeOf(shares), isMost };
    const past = { settled, imported, planned };
    const decision = decide(wanted, past, now, retention.graceHours * HOUR_MS);
    if (decision.do === "announce") this.#announce(decision.planned);
    if (decision.do !== "delete" && decision.planned.due > now) {
      const part = { clock: reading, settled: pastAfter(policy, past, 0).settled };
      return { outcome: "waiting", report: dryReport("retention", plan.census), part };
    }
    const report = await this.#delete(plan, step);
    const part = { clock: reading, ...pastAfter(policy, past, report.patterns) };
    return { outcome: "done", report, part };
  }

  #announce(planned: Planned): void {
    this.#log("warn", "retention.planned", { ...plannedStatus(planned) });
    this.#memory.change({ planned, imported: false });
  }

  /** Who asks has looked at the clock, too. */
  async #askedRetention({ retention }: JobSettings, { isDry, days }: Asked, step: Step): Promise<Ended> {
    const reading = this.#clock();
    const own = policyOf(retention);
    const policy = days === undefined ? own : { ...own, days, maxBytes: null };
    const plan = await planDeletion(this.#store, policy, reading.now, "exact");
    if (isDry) return { outcome: "done", report: dryReport("retention", plan.census) };
    return { outcome: "done", report: await this.#delete(plan, step), part: { clock: reading } };
  }

  async #delete(plan: PlannedDeletion, step: Step): Promise<JobReport> {
    const { census } = plan;
    const patterns = await deletePlanned(this.#store, plan, step);
    return {
      ...dryReport("retention", census),
      dry_run: false,
      patterns,
      bytes_after: await bytesIn(this.#store),
    };
  }

  async #compression({ compression }: JobSettings, isDry: boolean, step: Step): Promise<Ended> {
    const beforeDay = dayOf(BigInt(this.#clock().now) * 1_000_000n) - compression.afterDays;
    const census = await planCompression(this.#store, beforeDay);
    const dry = { ...dryReport("compression", census), files: census.shares.length };
    if (isDry) return { outcome: "done", report: dry };
    const files = await compressByDay(this.#store, beforeDay, census, step);
    const bytes_after = await bytesIn(this.#store);
    return { outcome: "done", report: { ...dry, dry_run: false, files, bytes_after } };
  }

  async #untouched(job: JobName): Promise<JobReport> {
    const bytes = await bytesIn(this.#store);
    return dryReport(job, { bytes, shares: [] });
  }

  /** @throws PatterndError what the run threw, logged. */
  async #recorded(
    {
      job,
      reason,
      handled,
      step,
    }: { job: JobName; reason: Run["reason"]; handled: number | undefined; step: Step },
    run: () => Promise<Ended>,
  ): Promise<JobReport> {
    const started = this.#clock().now;
    const since = performance.now();
    const soFar = () => ({ started, ms: Math.round(performance.now() - since), reason });
    try {
      const { outcome, report, error, part } = await run();
      const count = job === "retention" ? report.patterns : report.files;
      const ended: Run = {
        ...soFar(),
        outcome,
        count: outcome === "done" ? count : 0,
        bytesBefore: report.bytes_before,
        bytesAfter: report.bytes_after,
        ...(error === undefined ? {} : { error }),
      };
      this.#memory.record(job, ended, handled, part);
      this.#log("info", "job.done", { job, ...runStatus(ended), by_type: byTypeOf(report.shares) });
      return { ...report, ms: ended.ms };
    } catch (error) {
      const nothing = { count: 0, bytesBefore: 0, bytesAfter: 0 };
      const ended = soFar();
      const told = { job, ...ended, started: timeText(started) };
      if (step.isStopped() && isStopping(error)) {
        // If it was scheduled it is due again at the next start, and ends what it began.
        this.#memory.record(job, { ...ended, ...nothing, outcome: "stopped" }, undefined);
        this.#log("warn", "job.stopped", told);
      } else {
        this.#memory.record(
          job,
          { ...ended, ...nothing, outcome: "failed", error: messageOf(error) },
          handled,
        );
        this.#log("error", "job.failed", { ...told, ...errorFields(error) });
      }
      throw error;
    }
  }
}

function policyOf({ days, byType, keepTags, maxBytes }: RetentionPolicy): RetentionPolicy {
  return { days, byType, keepTags, maxBytes };
}

/** What a run would come to, that changes nothing. */
function dryReport(job: JobName, { shares, bytes }: Pick<Census, "shares" | "bytes">): JobReport {
  return {
    job,
    dry_run: true,
    patterns: patternsOf(shares),
    files: 0,
    bytes_before: bytes,
    bytes_after: bytes,
    ms: 0,
    shares: reported(shares),
  };
}
