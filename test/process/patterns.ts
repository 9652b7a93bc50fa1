/** Patterns to send, and chance that can be repeated. */
import { randomUUID } from "node:crypto";

export interface Wanted {
  readonly id?: string;
  readonly type?: string;
  readonly timestamp?: string;
  readonly tags?: readonly string[];
  readonly task?: string;
  /** Further keys of `data`. */
  readonly data?: object;
}

/** A task_completion, if no other type is wanted, as one line without newline, with characters of one to four bytes. */
export function taskLine({
  id = randomUUID(),
  timestamp,
  type = "task_completion",
  task = "Häfen 한국어 🦊",
  data,
  tags = ["backend", "빠름"],
}: Wanted = {}): string {
  return JSON.stringify({
    pattern_id: id,
    pattern_type: type,
    timestamp: timestamp ?? "2026-05-01T10:00:00.123456+02:00",
    data: { task_type: task, agent: "tester", duration_ms: 12, success: true, ...data },
    context: { project_name: "patternd", tags },
  });
}

/** Over ten days, so that a store has to keep them in more than one place. */
export function taskLines(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const timestamp = `2026-05-1${index % 10}T10:00:00.123456+02:00`;
    return taskLine({ timestamp, data: { tests_passed: index } });
  });
}

/** Numbers from 0 to below 1, the same ones for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `PATTERND_TEST_SEED` repeats a run; the seed is printed. */
export function newSeed(what: string): number {
  const seed = Number(process.env.PATTERND_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`${what}: PATTERND_TEST_SEED=${seed}`);
  return seed;
}

/** Cuts at random bytes: mostly a few thousand at once, sometimes a few. */
export function* cut(bytes: Buffer, random: () => number): Generator<Buffer> {
  for (let start = 0; start < bytes.length; ) {
    const length = 1 + Math.floor(random() * (random() < 0.1 ? 8 : 8192));
    yield bytes.subarray(start, start + length);
    start += length;
  }
}

/** A pattern whose objects and lists are nested this deep, itself counted as the first level. */
export function nested(levels: number): string {
  const inner = levels - 2;
  const line = taskLine({ id: `${levels} levels`, data: { x: 0 } });
  return line.replace('"x":0', `"x":${"[".repeat(inner)}${"]".repeat(inner)}`);
}

/** How what is stored differs from what was sent: in numbers, since there may be many. */
export function difference(stored: readonly string[], sent: readonly string[]) {
  const there = new Set(stored);
  const wanted = new Set(sent);
  return {
    missing: sent.filter((line) => !there.has(line)).length,
    unknown: stored.filter((line) => !wanted.has(line)).length,
    twice: stored.length - there.size,
  };
}

export const NONE = { missing: 0, unknown: 0, twice: 0 };
