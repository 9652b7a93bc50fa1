import { readFileSync } from "node:fs";

/** The unit of times in /proc: fixed at 100 in Linux's interface to programs, whatever the kernel ticks at. */
const TICKS_PER_SECOND = 100;

/**
 * @param {number | undefined} pid
 * @returns {{ cpuSeconds: number, peakRssBytes: number, rssBytes: number }} user and system time of all its threads; the
 *   peak is the process's whole life
 */
export function usageOf(pid) {
  // The program's name, in parentheses, may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytes = (/** @type {string} */ name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    peakRssBytes: bytes("VmHWM"),
    rssBytes: bytes("VmRSS"),
  };
}
