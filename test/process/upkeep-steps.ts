/** What a store's process is made to do at random, saving, compressing and deleting, by upkeep-child.mjs. */
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { parse } from "../conformance/patterns.ts";
import { taskLine } from "./patterns.ts";

export const CHILD = fileURLToPath(new URL("upkeep-child.mjs", import.meta.url));
const IDS = 1500;
export const FIRST_DAY = Date.parse("2026-05-01") / 86_400_000;
const DAYS = 6;
/** Ids of this beginning are of the last days: no deletion comes to them. */
export const LASTING = "lasting";

export type Step = { write: string[] } | { compress: number } | { delete: string };

/** At a moment of one of the days; newer or older than what was there before. */
function randomLine(random: () => number): string {
  const number = Math.floor(random() * IDS);
  const lasting = random() < 0.5;
  const day = lasting ? DAYS + Math.floor(random() * 2) : Math.floor(random() * DAYS);
  const timestamp = new Date((FIRST_DAY + day + random()) * 86_400_000).toISOString();
  const id = `${lasting ? LASTING : "passing"} ${number}`;
  return taskLine({ id, timestamp, data: { nonce: random(), padding: "한국어 x ".repeat(20) } });
}

export function randomStep(random: () => number): Step {
  const choice = random();
  if (choice < 0.3) return { compress: FIRST_DAY + 1 + Math.floor(random() * (DAYS + 3)) };
  if (choice < 0.5) {
    const ms = Math.floor((FIRST_DAY + random() * DAYS) * 86_400_000);
    return { delete: String(BigInt(ms) * 1_000_000n) };
  }
  return { write: Array.from({ length: 1 + Math.floor(random() * 300) }, () => randomLine(random)) };
}

export function byId(lines: readonly string[]): Map<string, string> {
  const found = new Map(lines.map((line) => [parse(line).id, line]));
  expect(found.size, "an id is there twice").toBe(lines.length);
  return found;
}
