/** A store and its jobs under a clock that goes as the test wants it. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { PatternParser } from "../../src/pattern/parse.ts";
import { Zone } from "../../src/pattern/zone.ts";
import type { Backend } from "../../src/store/backend.ts";
import { type BackendKind, openStore } from "../../src/store/open.ts";
import { readUpkeepFile, writeUpkeepFile } from "../../src/store/upkeep-file.ts";
import type { Clock } from "../../src/upkeep/clock.ts";
import { Jobs } from "../../src/upkeep/jobs.ts";
import type { JobSettings } from "../../src/upkeep/runs.ts";
import { withImport } from "../../src/upkeep/state.ts";
import type { UpkeepStore } from "../../src/upkeep/work.ts";
import { walk } from "../conformance/patterns.ts";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** A year has thousands of fsyncs, which are not what is tested here. */
const FOLDER = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export interface Logged {
  readonly event: string;
  readonly [field: string]: unknown;
}

type Settings = {
  retention?: Partial<JobSettings["retention"]>;
  compression?: Partial<JobSettings["compression"]>;
};

export class World {
  readonly log: Logged[] = [];
  now: number;
  uptime = 1_000_000;
  readonly #kind: BackendKind;
  readonly #folder = mkdtempSync(join(FOLDER, "patternd-upkeep-"));
  #settings: JobSettings;
  #store: Backend | undefined;
  #jobs: Jobs | undefined;
  #timer: { at: number; wake: () => void } | undefined;

  constructor(kind: BackendKind, start: string, settings: Settings = {}, scheduleTimezone = "UTC") {
    this.#kind = kind;
    this.now = Date.parse(start);
    this.#settings = {
      scheduleTimezone,
      retention: {
        ...{ days: 90, byType: {}, keepTags: [], maxBytes: null, schedule: "17 3 * * *", graceHours: 24 },
        ...settings.retention,
      },
      compression: { afterDays: 30, schedule: "47 3 * * *", ...settings.compression },
    };
    onTestFinished(async () => {
      await this.stop();
      rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  get place() {
    return { backend: this.#kind, path: join(this.#folder, "store") } as const;
  }

  get store(): Backend {
    if (!this.#store) throw new Error("not started");
    return this.#store;
  }

  get jobs(): Jobs {
    if (!this.#jobs) throw new Error("not started");
    return this.#jobs;
  }

  async start(wrap: (store: Backend) => UpkeepStore = (store) => store): Promise<void> {
    const { path } = this.place;
    this.#store = await openStore(this.#kind, { path, durability: "os", timezone: "UTC", readOnly: false });
    const clock: Clock = () => ({ now: this.now, uptime: this.uptime, boot: "boot" });
    this.#jobs = new Jobs({
      store: wrap(this.#store),
      settings: this.#settings,
      text: { read: () => readUpkeepFile(this.place), write: (text) => writeUpkeepFile(this.place, text) },
      log: (_, event, fields = {}) =>
        this.log.push({ ...fields, event, at: new Date(this.now).toISOString() }),
      clock,
      machine: "a machine",
      longestWaitMs: HOUR_MS,
      timer: (ms, wake) => {
        const timer = { at: this.uptime + ms, wake };
        this.#timer = timer;
        return () => {
          if (this.#timer === timer) this.#timer = undefined;
        };
      },
    });
    this.#jobs.start();
    await this.settle();
  }

  async stop(): Promise<void> {
    // As the daemon does: a run may end only with the store.
    this.#jobs?.stop();
    await this.#store?.close();
    await this.#jobs?.ended();
    this.#jobs = undefined;
    this.#store = undefined;
  }

  configure(settings: Settings): void {
    const { retention, compression } = this.#settings;
    this.#settings = {
      ...this.#settings,
      retention: { ...retention, ...settings.retention },
      compression: { ...compression, ...settings.compression },
    };
    this.#jobs?.configure(this.#settings);
  }

  /** As `patternd import` does. */
  noteImport(): void {
    writeUpkeepFile(this.place, withImport(readUpkeepFile(this.place)));
  }

  /** Goes on until then, with everything that is due on the way. */
  async until(text: string): Promise<void> {
    await this.pass(Date.parse(text) - this.now);
  }

  async pass(ms: number): Promise<void> {
    const end = this.uptime + ms;
    for (let timer = this.#timer; timer && timer.at <= end; timer = this.#timer) {
      this.#goTo(timer.at);
      this.#timer = undefined;
      timer.wake();
      await this.settle();
    }
    this.#goTo(end);
  }

  /** Until nothing is under way. */
  async settle(): Promise<void> {
    await this.#jobs?.ended();
    await new Promise(setImmediate);
  }

  async write(
    ...patterns: { id: string; at?: string; type?: "error_occurrence" | "user_correction"; tags?: string[] }[]
  ) {
    const parser = new PatternParser({ zone: new Zone("UTC"), types: {}, now: () => this.now + 40 * DAY_MS });
    const lines = patterns.map(
      ({ id, at = new Date(this.now).toISOString(), type = "error_occurrence", tags = [] }) => {
        const correction = { original_output: "", corrected_output: "", correction_type: "c", agent: "a" };
        const data = type === "user_correction" ? correction : { error_type: "t", error_message: "m" };
        return JSON.stringify({ pattern_id: id, pattern_type: type, timestamp: at, data, context: { tags } });
      },
    );
    const parsed = lines.map((line) => parser.parseLine(Buffer.from(line)));
    await this.store.write(parsed.flatMap((one) => (one.kind === "pattern" ? one.pattern : [])));
  }

  async ids(): Promise<string[]> {
    return (await walk(this.store, {}, 1000)).map((line) => JSON.parse(line).pattern_id);
  }

  /** The log's lines of these events, since the last call. */
  events(...names: string[]): Logged[] {
    return this.log.splice(0).filter(({ event }) => names.includes(event));
  }

  #goTo(uptime: number): void {
    this.now += uptime - this.uptime;
    this.uptime = uptime;
  }
}

/** One a day. */
export function old(count: number, from = "2025-11-01"): { id: string; at: string }[] {
  const day = (n: number) => new Date(Date.parse(from) + n * DAY_MS).toISOString().slice(0, 10);
  return Array.from({ length: count }, (_, n) => ({ id: `old${n}`, at: day(n) }));
}
