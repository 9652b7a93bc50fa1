/** Ages in days, which may be fractions, as the store counts: from now, by this machine's clock. */
const DAY_MS = 86_400_000;
const MS_NS = 1_000_000n;

/** Nanoseconds since the epoch, so many days ago. */
export function instantBefore(days: number, now = Date.now()): bigint {
  return BigInt(now - Math.round(days * DAY_MS)) * MS_NS;
}

/** The UTC day (since the epoch) of the instant so many days ago: each day before it is over for as long. */
export function dayBefore(days: number, now = Date.now()): number {
  return Math.floor((now - Math.round(days * DAY_MS)) / DAY_MS);
}
