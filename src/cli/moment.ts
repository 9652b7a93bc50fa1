/** Times as people write them in a flag. */
import { parseBound } from "../pattern/timestamp.ts";
import type { Zone } from "../pattern/zone.ts";

export const RELATIVE_FORM = "today, yesterday, or an age such as 90m, 2h, 7d";

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
/** Nanoseconds since the epoch, or undefined if the text is no time. `end`: a mere date means that whole day. */
export function parseMoment(text: string, side: "start" | "end", zone: Zone, now: Date): bigint | undefined {
  const age = /^(\d{1,6})([smhdw])$/.exec(text);
  if (age) return BigInt(now.getTime() - Number(age[1]) * (UNIT_MS[age[2] ?? ""] ?? 0)) * 1_000_000n;
  if (text === "today") return parseBound(dateText(now, 0), zone, side);
  if (text === "yesterday") return parseBound(dateText(now, -1), zone, side);
  return parseBound(text, zone, side);
}

function dateText(now: Date, days: number): string {
  const date = new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
