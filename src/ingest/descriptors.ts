import { readFileSync } from "node:fs";
import * as v from "valibot";

/** For the store (up to 64 segments and their indexes), the spool, the other sockets and Node itself. */
const RESERVED = 256;

const report = v.object({
  userLimits: v.object({
    open_files: v.object({ soft: v.union([v.number(), v.literal("unlimited")]) }),
  }),
});

/**
 * How many of the wanted connections this process can hold and still open files: senders that used up all
 * descriptors would keep the store and the spool from being written, for everybody.
 */
export function affordableConnections(wanted: number): number {
  const limit = openFilesLimit();
  return Math.min(wanted, Math.max(limit - RESERVED, Math.floor(limit / 2)));
}

/** Linux says it in a file; anywhere else Node's diagnostic report does, which takes 12 ms to write. */
function openFilesLimit(): number {
  const soft = ofProc() ?? ofReport();
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft);
}

function ofProc(): string | undefined {
  try {
    return /^Max open files +(unlimited|\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  } catch {
    return undefined;
  }
}

function ofReport(): number | "unlimited" {
  // Else it asks the network for names. The types of Node 20 do not know the property.
  Reflect.set(process.report, "excludeNetwork", true);
  return v.parse(report, process.report.getReport()).userLimits.open_files.soft;
}
