import type { Zone } from "./zone.ts";

/** The first and the last year that fit into 64 bits of nanoseconds with every offset. */
const FIRST_YEAR = 1970;
const LAST_YEAR = 2261;
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

export const TIMESTAMP_FORM = "YYYY-MM-DD[Thh:mm[:ss[.fraction]]][Z|±hh:mm], a real date from 1970 to 2261";

interface Parts {
  readonly wallMs: number;
  /** What is left of the fraction below a millisecond. */
  readonly nanos: number;
  /** Milliseconds east of UTC; undefined without a zone. */
  readonly offsetMs: number | undefined;
  readonly dateOnly: boolean;
}

/** Nanoseconds since the epoch, or undefined if the text is not a timestamp. Without a zone, `zone` is meant. */
export function parseTimestamp(text: string, zone: Zone): bigint | undefined {
  const parts = read(text);
  return parts && toInstant(parts, zone);
}

export function isTimestamp(text: string): boolean {
  return read(text) !== undefined;
}

/** A bound of a query: like a timestamp, but a mere date as the end means that whole day. */
export function parseBound(text: string, zone: Zone, bound: "start" | "end"): bigint | undefined {
  const parts = read(text);
  if (!parts) return undefined;
  if (bound === "start" || !parts.dateOnly) return toInstant(parts, zone);
  return toInstant({ ...parts, wallMs: parts.wallMs + 86_400_000 }, zone) - 1n;
}

function toInstant(parts: Parts, zone: Zone): bigint {
  const ms = parts.offsetMs === undefined ? zone.toEpochMs(parts.wallMs) : parts.wallMs - parts.offsetMs;
  return BigInt(ms) * 1_000_000n + BigInt(parts.nanos);
}

/** By position rather than by a regular expression: every pattern comes through here, and this is five times as fast. */
function read(text: string): Parts | undefined {
  const dayMs = readDate(text);
  if (dayMs === undefined) return undefined;
  if (text[10] !== "T" && text[10] !== " ")
    return withZone(text, 10, { wallMs: dayMs, nanos: 0, dateOnly: true });
  const hour = digits(text, 11, 13);
  const minute = digits(text, 14, 16);
  if (text[13] !== ":" || !(hour <= 23 && minute <= 59)) return undefined;
  let wallMs = dayMs + (hour * 60 + minute) * 60_000;
  let at = 16;
  let nanos = 0;
  if (text[at] === ":") {
    const second = digits(text, 17, 19);
    if (!(second <= 59)) return undefined;
    at = 19;
    if (text[at] === ".") {
      at = endOfDigits(text, 20);
      if (at === 20 || at > 29) return undefined;
      nanos = digits(text, 20, at) * 10 ** (29 - at);
    }
    wallMs += second * 1000 + Math.floor(nanos / 1_000_000);
  }
  return withZone(text, at, { wallMs, nanos: nanos % 1_000_000, dateOnly: false });
}

/** The first ten characters, as milliseconds. */
function readDate(text: string): number | undefined {
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 7);
  const day = digits(text, 8, 10);
  if (text[4] !== "-" || text[7] !== "-") return undefined;
  if (!(year >= FIRST_YEAR && year <= LAST_YEAR && month >= 1 && month <= 12)) return undefined;
  return day >= 1 && day <= daysIn(year, month) ? Date.UTC(year, month - 1, day) : undefined;
}

function withZone(text: string, at: number, parts: Omit<Parts, "offsetMs">): Parts | undefined {
  if (at === text.length) return { ...parts, offsetMs: undefined };
  if (text[at] === "Z") return at + 1 === text.length ? { ...parts, offsetMs: 0 } : undefined;
  const sign = text[at] === "-" ? -1 : text[at] === "+" ? 1 : Number.NaN;
  const minutesAt = text[at + 3] === ":" ? at + 4 : at + 3;
  const hours = digits(text, at + 1, at + 3);
  const minutes = digits(text, minutesAt, minutesAt + 2);
  if (minutesAt + 2 !== text.length || !(hours <= 23 && minutes <= 59)) return undefined;
  const offsetMs = sign * (hours * 60 + minutes) * 60_000;
  return Number.isNaN(offsetMs) ? undefined : { ...parts, offsetMs };
}

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : (DAYS_IN_MONTH[month - 1] ?? 0);
}

/** The number that these characters write; NaN if one of them is missing or no digit. */
function digits(text: string, start: number, end: number): number {
  let number = 0;
  for (let at = start; at < end; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

function endOfDigits(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) >= 48 && text.charCodeAt(at) <= 57) at += 1;
  return at;
}
