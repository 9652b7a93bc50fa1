/**
 * At which moments a cron expression means a job to run, before and after any moment: node-cron says what the
 * expression means, and neither looks back nor runs what falls into the hour that daylight saving skips. Here every
 * wall-clock time is one moment (zone.ts): one that occurs twice is the first, one that is skipped is an hour
 * earlier. All moments are in milliseconds since the epoch.
 */
import { createTask, parse, type ScheduledTask } from "node-cron";
import type { Zone } from "../pattern/zone.ts";

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
/** The 29th of February, and not in 2100: the rarest there is. */
const MAX_DAYS = 366 * 9;

export class Schedule {
  readonly #zone: Zone;
  /** Undefined if every day is meant: to find that out, node-cron would load the calendar of every zone (8 MiB). */
  readonly #task: ScheduledTask | undefined;
  /** Of each day that is meant: milliseconds since its midnight, ascending. */
  readonly #times: readonly number[];

  /** @param expression one that node-cron takes. */
  constructor(expression: string, zone: Zone) {
    this.#zone = zone;
    const { hour, minute, second, dayOfMonth, month, dayOfWeek } = parse(expression);
    this.#times = hour
      .flatMap((h) => minute.flatMap((m) => second.map((s) => ((h * 60 + m) * 60 + s) * SECOND_MS)))
      .sort((a, b) => a - b);
    if (holdsAll(dayOfMonth, 1, 31) && holdsAll(month, 1, 12) && holdsAll(dayOfWeek, 0, 6)) return;
    this.#task = createTask(expression, () => {}, { timezone: "UTC" });
    // Asked only what matches: it is to run nothing.
    void this.#task.destroy();
  }

  /** The first moment behind another one; undefined if there is none in nine years. */
  next(after: number): number | undefined {
    const first = this.#dayOf(after);
    for (let day = first; day < first + MAX_DAYS * DAY_MS; day += DAY_MS) {
      if (!this.#isMeant(day)) continue;
      for (const time of this.#times) {
        const moment = this.#zone.toEpochMs(day + time);
        if (moment > after) return moment;
      }
    }
    return undefined;
  }

  /** The last moment up to this one; undefined if there was none in nine years. */
  latest(until: number): number | undefined {
    // A skipped midnight is an hour before it, on the day before.
    const last = this.#dayOf(until) + DAY_MS;
    for (let day = last; day > last - MAX_DAYS * DAY_MS; day -= DAY_MS) {
      if (!this.#isMeant(day)) continue;
      for (const time of this.#times.toReversed()) {
        const moment = this.#zone.toEpochMs(day + time);
        if (moment <= until) return moment;
      }
    }
    return undefined;
  }

  /** The midnight of a moment's day on the wall, as if that were UTC. */
  #dayOf(moment: number): number {
    return Math.floor(this.#zone.toWallMs(moment) / DAY_MS) * DAY_MS;
  }

  /** What matches on a day, matches at each of its times. */
  #isMeant(day: number): boolean {
    return this.#task === undefined || this.#task.match(new Date(day + (this.#times[0] ?? 0)));
  }
}

function holdsAll(values: readonly (number | string)[], from: number, to: number): boolean {
  for (let value = from; value <= to; value += 1) if (!values.includes(value)) return false;
  return true;
}
