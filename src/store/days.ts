/** UTC days, as numbers since the epoch. */
const NANOS_PER_DAY = 86_400_000_000_000n;

/** The UTC day of an instant (nanoseconds since the epoch). */
export function dayOf(instant: bigint): number {
  const floor = instant / NANOS_PER_DAY;
  return Number(instant < 0n && floor * NANOS_PER_DAY !== instant ? floor - 1n : floor);
}

/** The instant with which a UTC day begins. */
export function startOfDay(day: number): bigint {
  return BigInt(day) * NANOS_PER_DAY;
}

/** `YYYY-MM-DD`. */
export function dayText(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10);
}
