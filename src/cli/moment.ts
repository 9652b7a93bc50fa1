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
/** The timestamps that a daemon reads name years from 1970 to 2261, in the offset that they are written with. */
const LAST_INSTANT_MS = Date.UTC(2262, 0, 1) - 1;
const WIDEST_OFFSET_MS = (23 * 60 + 59) * 60_000;

/** Nanoseconds since the epoch, or undefined if the text is no time. `end`: a mere date means that whole day. */
export function parseMoment(text: string, side: "start" | "end", zone: Zone, now: Date): bigint | undefined {
  const age = /^(\d{1,6})([smhdw])$/.exec(text);
  if (age) return BigInt(now.getTime() - Number(age[1]) * (UNIT_MS[age[2] ?? ""] ?? 0)) * 1_000_000n;
  if (text === "today") return parseBound(dateText(now, 0), zone, side);
  if (text === "yesterday") return parseBound(dateText(now, -1), zone, side);
  return parseBound(text, zone, side);
}

/** An instant as a timestamp with all of its nanoseconds, in UTC where the year allows it. */
export function writeInstant(instant: bigint): string {
  const nanos = ((instant % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const ms = Number((instant - nanos) / 1_000_000n);
  const offsetMs = ms < 0 ? WIDEST_OFFSET_MS : ms > LAST_INSTANT_MS ? -WIDEST_OFFSET_MS : 0;
  const wall = new Date(ms + offsetMs).toISOString().slice(0, 19);
  const offset = offsetMs === 0 ? "Z" : offsetMs > 0 ? "+23:59" : "-23:59";
  return `${wall}.${String(nanos).padStart(9, "0")}${offset}`;
}

function dateText(now: Date, days: number): string {
  const date = new Date(now.getFullYear(), now.getMonth(), now.getDate() + days);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
