const FIRST_MS = 100;
const LONGEST_MS = 5_000;

/** How long to wait before the attempt after the `failures`th failure, in ms: doubling, with jitter down to half. */
export function retryDelayMs(failures: number, random: () => number = Math.random): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
  return Math.round(full * (0.5 + random() / 2));
}
