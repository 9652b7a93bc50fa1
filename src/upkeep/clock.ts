/** The machine's clock, and whether it can be believed. */
import { readFileSync } from "node:fs";
import { hostname, uptime } from "node:os";

const DAY_MS = 86_400_000;

/** Two clocks at one moment: the one that people set, and one that only runs, asleep too. Milliseconds. */
export interface ClockReading {
  /** Since the epoch. */
  readonly now: number;
  /** Since the machine was started. */
  readonly uptime: number;
  /** Which start that was. */
  readonly boot: string;
}

export type Clock = () => ClockReading;

export const systemClock: Clock = () => ({ now: Date.now(), uptime: uptime() * 1_000, boot: bootId() });

/**
 * Why the clock can't be believed since an earlier reading of it; undefined if it can. Between two starts of the
 * machine any time may have passed, but none backwards.
 */
export function clockFault(
  before: ClockReading,
  { now, uptime: up, boot }: ClockReading,
): string | undefined {
  const passed = boot === before.boot ? up - before.uptime : Math.max(0, now - before.now);
  const jump = now - (before.now + passed);
  if (Math.abs(jump) <= DAY_MS) return undefined;
  const days = (Math.abs(jump) / DAY_MS).toFixed(1);
  return `the clock says ${textOf(now)}, ${days} days ${jump > 0 ? "more" : "less"} than it should after ${textOf(before.now)}`;
}

/** What tells this machine from others. */
export function machineId(): string {
  return readText("/etc/machine-id") ?? hostname();
}

/** A number that no year has, from a damaged file or a damaged clock, is text all the same. */
function textOf(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}

function bootId(): string {
  return readText("/proc/sys/kernel/random/boot_id") ?? `process ${process.pid}`;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}
