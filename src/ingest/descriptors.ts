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

function openFilesLimit(): number {
  // Else it asks the network for names. The types of Node 20 do not know the property.
  Reflect.set(process.report, "excludeNetwork", true);
  const { soft } = v.parse(report, process.report.getReport()).userLimits.open_files;
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : soft;
}
