import { readFileSync } from "node:fs";

/** The unit of times in /proc: fixed at 100 in Linux's interface to programs, whatever the kernel ticks at. */
const TICKS_PER_SECOND = 100;

/**
 * @param {number | undefined} pid
 * @returns {{ cpuSeconds: number, peakRssBytes: number }} user and system time of all its threads; the peak is the
 *   process's whole life
 */
export function usageOf(pid) {
  // The program's name, in parentheses, may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    peakRssBytes: Number(kibibytes) * 1024,
  };
}
