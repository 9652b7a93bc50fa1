/** What a store's process is made to do at random, saving, compressing and deleting, by upkeep-child.mjs. */
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { Exceptions } from "../../src/store/backend.ts";
import { parse } from "../conformance/patterns.ts";
import { taskLine } from "./patterns.ts";

export const CHILD = fileURLToPath(new URL("upkeep-child.mjs", import.meta.url));
const IDS = 1500;
export const FIRST_DAY = Date.parse("2026-05-01") / 86_400_000;
const DAYS = 6;
/** Ids of this beginning are of the last days: no deletion comes to them. */
export const LASTING = "lasting";

/** `delete`: the cutoff in nanoseconds; `keep`: types that are kept, and a tag with which patterns are. */
export type Step =
  | { write: string[] }
  | { compress: number }
  | { delete: string; keep?: { types: string[]; tag: string } }
  | { forget: string[] };
const HOLD = "hold";
const TYPES = ["task_completion", "agent_usage"] as const;

/** What a deletion's step says, as the store is told. */
export function exceptionsOf({ keep }: Extract<Step, { delete: string }>): Exceptions {
  if (!keep) return {};
  return { byType: Object.fromEntries(keep.types.map((type) => [type, 0n])), keepTags: [keep.tag] };
}

/** At a moment of one of the days; newer or older than what was there before. */
function randomLine(random: () => number): string {
  const number = Math.floor(random() * IDS);
  const lasting = random() < 0.5;
  const day = lasting ? DAYS + Math.floor(random() * 2) : Math.floor(random() * DAYS);
  const timestamp = new Date((FIRST_DAY + day + random()) * 86_400_000).toISOString();
  const id = `${lasting ? LASTING : "passing"} ${number}`;
  const type = random() < 0.8 ? TYPES[0] : TYPES[1];
  const tags = random() < 0.1 ? [HOLD] : [];
  const data = { nonce: random(), padding: "한국어 x ".repeat(20), agent_type: "a" };
  return taskLine({ id, type, timestamp, data, tags });
}

export function randomStep(random: () => number): Step {
  const choice = random();
  if (choice < 0.3) return { compress: FIRST_DAY + 1 + Math.floor(random() * (DAYS + 3)) };
  if (choice < 0.5) {
    const ms = Math.floor((FIRST_DAY + random() * DAYS) * 86_400_000);
    const cutoff = { delete: String(BigInt(ms) * 1_000_000n) };
    return choice < 0.4 ? cutoff : { ...cutoff, keep: { types: TYPES.slice(1), tag: HOLD } };
  }
  if (choice < 0.55) {
    return { forget: Array.from({ length: 20 }, () => `passing ${Math.floor(random() * IDS)}`) };
  }
  return { write: Array.from({ length: 1 + Math.floor(random() * 300) }, () => randomLine(random)) };
}

export function byId(lines: readonly string[]): Map<string, string> {
  const found = new Map(lines.map((line) => [parse(line).id, line]));
  expect(found.size, "an id is there twice").toBe(lines.length);
  return found;
}
