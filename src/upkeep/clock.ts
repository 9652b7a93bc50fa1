/** The machine's clock, and whether it can be believed. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname, uptime } from "node:os";

const DAY_MS = 86_400_000;
/** Of a start of the machine that can't be told: it is another one for each process. */
const UNTOLD = `process ${randomUUID()}`;

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
  // A container that is started anew may count from then, and have the name of the machine's start.
  const isSameStart = boot === before.boot && up >= before.uptime;
  const passed = isSameStart ? up - before.uptime : Math.max(0, now - before.now);
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

/** The kernel's name for it, as systemd writes it, whose unit gives it where the kernel's settings are hidden. */
function bootId(): string {
  const told = readText("/proc/sys/kernel/random/boot_id")?.replaceAll("-", "");
  return told ?? (process.env.PATTERND_BOOT_ID || UNTOLD);
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}
