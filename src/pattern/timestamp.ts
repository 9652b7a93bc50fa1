import type { Zone } from "./zone.ts";

/** The first and the last year that fit into 64 bits of nanoseconds with every offset. */
const FIRST_YEAR = 1970;
const LAST_YEAR = 2261;
const DASH = 0x2d;
const COLON = 0x3a;
const POINT = 0x2e;
const SPACE = 0x20;
const PLUS = 0x2b;
const T = 0x54;
const Z = 0x5a;
const POWERS_OF_TEN = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

export const TIMESTAMP_FORM = "YYYY-MM-DD[Thh:mm[:ss[.fraction]]][Z|±hh:mm], a real date from 1970 to 2261";

/** A string, or what can be read like one. */
export interface Characters {
  readonly length: number;
  /** Behind the end NaN, or a negative number. */
  charCodeAt(index: number): number;
}

interface Parts {
  readonly wallMs: number;
  /** What is left of the fraction below a millisecond. */
  readonly nanos: number;
  /** Milliseconds east of UTC; undefined without a zone. */
  readonly offsetMs: number | undefined;
  readonly dateOnly: boolean;
}

/** Nanoseconds since the epoch, or undefined if the text is not a timestamp. Without a zone, `zone` is meant. */
export function parseTimestamp(text: Characters, zone: Zone): bigint | undefined {
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

/** By position rather than by a regular expression: every pattern comes through here. */
function read(text: Characters): Parts | undefined {
  const dayMs = readDate(text);
  if (Number.isNaN(dayMs)) return undefined;
  const between = text.charCodeAt(10);
  if (between !== T && between !== SPACE) return parts(text, 10, dayMs, 0);
  const hour = digits(text, 11, 13);
  const minute = digits(text, 14, 16);
  if (text.charCodeAt(13) !== COLON || !(hour <= 23 && minute <= 59)) return undefined;
  const minuteMs = dayMs + (hour * 60 + minute) * 60_000;
  if (text.charCodeAt(16) !== COLON) return parts(text, 16, minuteMs, 0);
  const second = digits(text, 17, 19);
  if (!(second <= 59)) return undefined;
  const secondMs = minuteMs + second * 1000;
  if (text.charCodeAt(19) !== POINT) return parts(text, 19, secondMs, 0);
  const end = endOfDigits(text, 20);
  if (end === 20 || end > 29) return undefined;
  const nanos = digits(text, 20, end) * (POWERS_OF_TEN[29 - end] ?? 1);
  return parts(text, end, secondMs + Math.floor(nanos / 1_000_000), nanos % 1_000_000);
}

function parts(text: Characters, end: number, wallMs: number, nanos: number): Parts | undefined {
  const offsetMs = end === text.length ? undefined : readOffset(text, end);
  return Number.isNaN(offsetMs) ? undefined : { wallMs, nanos, offsetMs, dateOnly: end === 10 };
}

/** The first ten characters, as milliseconds; NaN if they are no date. */
function readDate(text: Characters): number {
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 7);
  const day = digits(text, 8, 10);
  if (text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return Number.NaN;
  if (!(year >= FIRST_YEAR && year <= LAST_YEAR && month >= 1 && month <= 12)) return Number.NaN;
  return day >= 1 && day <= daysIn(year, month) ? dayMsOf(year, month, day) : Number.NaN;
}

/** The day that was asked for last, and when it began: most patterns come on the day of the one before. */
let lastDay = 0;
let lastDayMs = 0;

function dayMsOf(year: number, month: number, day: number): number {
  const asked = (year * 16 + month) * 32 + day;
  if (asked !== lastDay) {
    lastDayMs = Date.UTC(year, month - 1, day);
    lastDay = asked;
  }
  return lastDayMs;
}

/** What stands from `at` to the end, as milliseconds east of UTC; NaN if it is no offset. */
function readOffset(text: Characters, at: number): number {
  const sign = text.charCodeAt(at);
  if (sign === Z) return at + 1 === text.length ? 0 : Number.NaN;
  const minutesAt = text.charCodeAt(at + 3) === COLON ? at + 4 : at + 3;
  const hours = digits(text, at + 1, at + 3);
  const minutes = digits(text, minutesAt, minutesAt + 2);
  if (minutesAt + 2 !== text.length || !(hours <= 23 && minutes <= 59)) return Number.NaN;
  const offsetMs = (hours * 60 + minutes) * 60_000;
  if (sign === PLUS) return offsetMs;
  return sign === DASH ? -offsetMs : Number.NaN;
}

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : (DAYS_IN_MONTH[month - 1] ?? 0);
}

/** The number that these characters write; NaN if one of them is missing or no digit. */
function digits(text: Characters, start: number, end: number): number {
  let number = 0;
  for (let at = start; at < end; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

function endOfDigits(text: Characters, start: number): number {
  let at = start;
  while (text.charCodeAt(at) >= 48 && text.charCodeAt(at) <= 57) at += 1;
  return at;
}

/** The timestamps that a daemon reads name years from 1970 to 2261, in the offset that they are written with. */
const LAST_INSTANT_MS = Date.UTC(2262, 0, 1) - 1;
const WIDEST_OFFSET_MS = (23 * 60 + 59) * 60_000;

/** An instant as a timestamp with all of its nanoseconds, in UTC where the year allows it. */
export function writeInstant(instant: bigint): string {
  const nanos = ((instant % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const ms = Number((instant - nanos) / 1_000_000n);
  const offsetMs = ms < 0 ? WIDEST_OFFSET_MS : ms > LAST_INSTANT_MS ? -WIDEST_OFFSET_MS : 0;
  const wall = new Date(ms + offsetMs).toISOString().slice(0, 19);
  const offset = offsetMs === 0 ? "Z" : offsetMs > 0 ? "+23:59" : "-23:59";
  return `${wall}.${String(nanos).padStart(9, "0")}${offset}`;
}
