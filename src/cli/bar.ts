/** How far long work is, as a bar on a terminal; elsewhere nothing. */
import { counted, grouped } from "./progress.ts";

const EVERY_MS = 500;
const WIDTH = 30;

export interface Progress {
  readonly done: number;
  readonly total: number;
}

/** Asks again and again until `work` is done, and draws what it hears; an answer that fails is passed over. */
export async function withBar<T>(
  ask: () => Promise<Progress | undefined>,
  work: Promise<T>,
  noun = "pattern",
): Promise<T> {
  if (!process.stderr.isTTY) return work;
  let isAsking = false;
  let isDrawn = false;
  const timer = setInterval(async () => {
    if (isAsking) return;
    isAsking = true;
    const progress = await ask().catch(() => undefined);
    isAsking = false;
    if (!progress || progress.total === 0) return;
    isDrawn = true;
    process.stderr.write(`\r${barOf(progress, noun)}`);
  }, EVERY_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    // The line is given back to what comes next.
    if (isDrawn) process.stderr.write("\r\u001b[K");
  }
}

export function barOf({ done, total }: Progress, noun: string): string {
  const share = Math.min(1, done / total);
  const filled = Math.round(share * WIDTH);
  const bar = "#".repeat(filled) + "-".repeat(WIDTH - filled);
  return `[${bar}] ${Math.floor(share * 100)} %  ${grouped(done)} of ${counted(total, noun)}`;
}
