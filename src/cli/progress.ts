import { say } from "./terminal.ts";

const EVERY_MS = 1_000;

/** Says how far long work has come: at most once a second, and to a terminal only. `text` is asked only then. */
export function progress(text: () => string): () => void {
  if (!process.stderr.isTTY) return () => {};
  let last = Date.now();
  return () => {
    const now = Date.now();
    if (now - last < EVERY_MS) return;
    last = now;
    say(text());
  };
}

/** `1 pattern`, `1,200 patterns`. */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `1,200`. */
export function grouped(count: number): string {
  return count.toLocaleString("en");
}
