import type { Zone } from "./zone.ts";

const FORM =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?(Z|[+-]\d{2}:?\d{2})?$/;

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

function read(text: string): Parts | undefined {
  const match = FORM.exec(text);
  if (!match) return undefined;
  const [, years, months, days, hours, minutes, seconds, fraction, zone] = match;
  const year = Number(years);
  const month = Number(months);
  const day = Number(days);
  if (year < FIRST_YEAR || year > LAST_YEAR || month < 1 || month > 12) return undefined;
  if (day < 1 || day > daysIn(year, month)) return undefined;
  const hour = Number(hours ?? 0);
  const minute = Number(minutes ?? 0);
  const second = Number(seconds ?? 0);
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const offsetMs = zone === undefined ? undefined : readOffset(zone);
  if (Number.isNaN(offsetMs)) return undefined;
  const nanos = fraction === undefined ? 0 : Number(fraction.padEnd(9, "0"));
  const wallMs = Date.UTC(year, month - 1, day, hour, minute, second) + Math.floor(nanos / 1_000_000);
  return { wallMs, nanos: nanos % 1_000_000, offsetMs, dateOnly: hours === undefined };
}

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : (DAYS_IN_MONTH[month - 1] ?? 0);
}

/** Milliseconds east of UTC; NaN if there is no such offset. */
function readOffset(text: string): number {
  if (text === "Z") return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = Number(text.slice(-2));
  if (hours > 23 || minutes > 59) return Number.NaN;
  return (text[0] === "-" ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}
