/**
 * The jobs of a running daemon, each by its schedule and on demand, one run at a time. What is known of them outlives the
 * process: what was missed is caught up once, and a run that a crash ended is due again.
 */
import { PatterndError } from "../errors.ts";
import type { Log } from "../log.ts";
import { Zone } from "../pattern/zone.ts";
import { type Clock, clockFault, machineId, systemClock } from "./clock.ts";
import { type Due, earlier, jitterOf, nextDue } from "./due.ts";
import { Memory, type StateText } from "./memory.ts";
import type { JobReport } from "./report.ts";
import { type Asked, type JobSettings, Runs } from "./runs.ts";
import { Schedule } from "./schedule.ts";
import { JOBS, type JobName, type JobState } from "./state.ts";
import {
  type JobStatus,
  type JobsStatus,
  plannedStatus,
  runningStatus,
  runStatus,
  timeText,
} from "./status.ts";
import type { Progress, UpkeepStore } from "./work.ts";

const LONGEST_WAIT_MS = 60_000;

/** Calls `wake` once, after so many milliseconds; what it returns takes that back. */
export type Timer = (ms: number, wake: () => void) => () => void;

export interface JobsOptions {
  readonly store: UpkeepStore;
  readonly settings: JobSettings;
  readonly text: StateText;
  readonly log: Log;
  readonly clock?: Clock;
  readonly timer?: Timer;
  readonly machine?: string;
  /** A machine that was asleep, or whose clock was set, is noticed so soon: within a minute if not said. */
  readonly longestWaitMs?: number;
}

export class Jobs {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #machine: string;
  readonly #longestWaitMs: number;
  readonly #memory: Memory;
  readonly #runs: Runs;
  #settings: JobSettings;
  #schedules: Readonly<Record<JobName, Schedule>>;
  readonly #due = new Map<JobName, Due | undefined>();
  /** Scheduled runs that are under way, or wait for another one. */
  readonly #begun = new Set<JobName>();
  #running: { readonly job: JobName; readonly started: number; progress: Progress } | undefined;
  #seen = Number.NEGATIVE_INFINITY;
  #turn: Promise<unknown> = Promise.resolve();
  #cancel: () => void = () => {};
  #isStopped = false;

  constructor({ store, settings, text, log, clock, timer, machine, longestWaitMs }: JobsOptions) {
    this.#clock = clock ?? systemClock;
    this.#timer = timer ?? realTimer;
    this.#machine = machine ?? machineId();
    this.#longestWaitMs = longestWaitMs ?? LONGEST_WAIT_MS;
    this.#settings = settings;
    this.#schedules = schedulesOf(settings);
    this.#memory = new Memory(text, (error) =>
      log("error", "job.failed", { error: `no state is kept: ${error}` }),
    );
    this.#runs = new Runs({ store, memory: this.#memory, log, clock: this.#clock });
  }

  /** From now on the schedules count. */
  start(): void {
    const reading = this.#clock();
    const { clock } = this.#memory.state;
    // Across a start of the machine nothing measures time: from here on something does.
    if (!clock || clockFault(clock, reading) === undefined) this.#memory.change({ clock: reading });
    this.#follow(reading.now);
    this.#plan();
    this.#arm();
  }

  /** Other settings count from now on; a run that is under way ends by the old ones. */
  configure(settings: JobSettings): void {
    this.#settings = settings;
    this.#schedules = schedulesOf(settings);
    if (this.#isStopped) return;
    this.#follow(this.#clock().now);
    this.#plan();
    this.#arm();
  }

  /** A schedule counts from when it is first seen: one that was moved has missed nothing. */
  #follow(now: number): void {
    const followed = (job: JobName): JobState => {
      const state = this.#memory.state[job];
      const schedule = `${this.#settings[job].schedule} ${this.#settings.scheduleTimezone}`;
      const isOther = state.schedule !== undefined && state.schedule !== schedule;
      return { ...state, schedule, handled: isOther ? now : (state.handled ?? now) };
    };
    this.#memory.change({ retention: followed("retention"), compression: followed("compression") });
  }

  /**
   * On demand, after what is under way.
   *
   * @throws PatterndError `daemon_stopping` or `store_closed` when the daemon stops, and what the store throws.
   */
  run(job: JobName, asked: Asked): Promise<JobReport> {
    return this.#inTurn(job, (step) => this.#runs.asked(job, asked, this.#settings, step));
  }

  /** Begins nothing more; what is under way ends when the store is closed, a compression before its next day. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  /** Resolves when nothing is under way. */
  async ended(): Promise<void> {
    await this.#turn;
  }

  /** Why upkeep does not do what it should; undefined if it does. */
  get trouble(): string | undefined {
    const { clock } = this.#memory.state;
    const fault = clock && clockFault(clock, this.#clock());
    return fault && `retention deletes nothing: ${fault}`;
  }

  status(): JobsStatus {
    const { planned } = this.#memory.state;
    return {
      retention: { ...this.#statusOf("retention"), planned: planned ? plannedStatus(planned) : null },
      compression: this.#statusOf("compression"),
    };
  }

  #statusOf(job: JobName): JobStatus {
    const { last, runs, total } = this.#memory.state[job];
    const due = this.#due.get(job);
    const running = this.#running?.job === job ? this.#running : undefined;
    return {
      schedule: this.#settings[job].schedule,
      next: due ? timeText(due.at) : null,
      running: running ? runningStatus(running.started, running.progress) : null,
      last: last ? runStatus(last) : null,
      runs,
      total,
    };
  }

  #plan(): void {
    const { now } = this.#clock();
    for (const job of JOBS) {
      const { handled = now } = this.#memory.state[job];
      const scheduled = nextDue(this.#schedules[job], handled, now, jitterOf(this.#machine, job));
      const announced = job === "retention" ? this.#announced(now) : undefined;
      this.#due.set(job, earlier(scheduled, announced));
    }
  }

  /** One that could not go ahead when it was due waits for the schedule. */
  #announced(now: number): Due | undefined {
    const { planned, retention } = this.#memory.state;
    const { last } = retention;
    if (!planned || (last && last.started >= planned.due && last.outcome !== "stopped")) return undefined;
    return { at: Math.max(now, planned.due), slot: undefined };
  }

  #arm(): void {
    this.#cancel();
    if (this.#isStopped) return;
    const { now } = this.#clock();
    const dues = JOBS.flatMap((job) => (this.#begun.has(job) ? [] : (this.#due.get(job)?.at ?? [])));
    const wait = Math.min(this.#longestWaitMs, ...dues.map((at) => at - now));
    this.#cancel = this.#timer(Math.max(0, wait), () => this.#wake());
  }

  #wake(): void {
    const { now } = this.#clock();
    // Set back: what was due in an hour may be due tomorrow, or now.
    if (now < this.#seen) this.#plan();
    this.#seen = now;
    for (const job of JOBS) {
      const due = this.#due.get(job);
      if (due && due.at <= now && !this.#begun.has(job)) this.#begin(job);
    }
    this.#arm();
  }

  #begin(job: JobName): void {
    this.#begun.add(job);
    const ended = () => {
      this.#begun.delete(job);
      if (this.#isStopped) return;
      this.#plan();
      this.#arm();
    };
    const run = this.#inTurn(job, async (step) => {
      const handled = this.#schedules[job].latest(this.#clock().now);
      await this.#runs.scheduled(job, handled, this.#settings, step);
    });
    // What failed was logged where it failed.
    run.then(ended, ended);
  }

  #inTurn<T>(
    job: JobName,
    run: (step: { onProgress: (progress: Progress) => void; isStopped: () => boolean }) => Promise<T>,
  ): Promise<T> {
    const done = this.#turn.then(async () => {
      if (this.#isStopped) throw new PatterndError("daemon_stopping", "the daemon stops");
      const running = { job, started: this.#clock().now, progress: { done: 0, total: 0 } };
      this.#running = running;
      try {
        const onProgress = (progress: Progress) => {
          running.progress = progress;
        };
        return await run({ onProgress, isStopped: () => this.#isStopped });
      } finally {
        this.#running = undefined;
      }
    });
    this.#turn = done.catch(() => {});
    return done;
  }
}

function schedulesOf({ retention, compression, scheduleTimezone }: JobSettings): Record<JobName, Schedule> {
  const zone = new Zone(scheduleTimezone);
  return {
    retention: new Schedule(retention.schedule, zone),
    compression: new Schedule(compression.schedule, zone),
  };
}

const realTimer: Timer = (ms, wake) => {
  const timer = setTimeout(wake, ms);
  timer.unref();
  return () => clearTimeout(timer);
};
