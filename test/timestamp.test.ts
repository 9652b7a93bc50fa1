import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTimestamp, parseBound, parseTimestamp } from "../src/pattern/timestamp.ts";
import { Zone } from "../src/pattern/zone.ts";
import { newSeed } from "./process/patterns.ts";

const UTC = new Zone("UTC");
const BERLIN = new Zone("Europe/Berlin");
const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "Pacific/Apia",
];

const nanos = (iso: string, more = 0n) => BigInt(Date.parse(iso)) * 1_000_000n + more;

describe("a timestamp", () => {
  test.each([
    ["1970-01-01", nanos("1970-01-01T00:00:00Z")],
    ["2026-05-01T10:00", nanos("2026-05-01T10:00:00Z")],
    ["2026-05-01 10:00:07", nanos("2026-05-01T10:00:07Z")],
    ["2026-05-01T10:00:07.5", nanos("2026-05-01T10:00:07.500Z")],
    ["2026-05-01T10:00:07.123456789Z", nanos("2026-05-01T10:00:07.123Z", 456_789n)],
    ["2026-05-01T10:00:07.000000001+09:00", nanos("2026-05-01T01:00:07Z", 1n)],
    ["2026-05-01T10:00-0330", nanos("2026-05-01T13:30:00Z")],
    ["2026-05-01+02:00", nanos("2026-04-30T22:00:00Z")],
    ["1970-01-01T00:00:00+23:59", nanos("1969-12-31T00:01:00Z")],
    ["2261-12-31T23:59:59.999999999-23:59", nanos("2262-01-01T23:58:59.999Z", 999_999n)],
    ["2024-02-29", nanos("2024-02-29T00:00:00Z")],
    ["2000-02-29", nanos("2000-02-29T00:00:00Z")],
  ])("%s is read to the nanosecond", (text, instant) => {
    expect(isTimestamp(text)).toBe(true);
    expect(parseTimestamp(text, UTC)).toBe(instant);
  });

  test.each([
    "",
    "now",
    "2026",
    "2026-05",
    "2026-5-1",
    "26-05-01",
    "2026-05-01T",
    "2026-05-01T10",
    "2026-05-01T1:00",
    "2026-05-01t10:00",
    "2026-05-01T10:00z",
    "2026-05-01  10:00",
    " 2026-05-01",
    "2026-05-01\n",
    "2026-05-01T10:00:00,5",
    "2026-05-01T10:00:00.",
    "2026-05-01T10:00:00.1234567890",
    "2026-05-01T10:00.5",
    "2026-05-01T10:00+2:00",
    "2026-05-01T10:00+02",
    "2026-05-01T10:00 +02:00",
    "2026-05-01T10:00+24:00",
    "2026-05-01T10:00+02:60",
    "2026-05-01T24:00",
    "2026-05-01T23:60",
    "2026-05-01T23:59:60",
    "2026-00-01",
    "2026-13-01",
    "2026-05-00",
    "2026-04-31",
    "2026-02-30",
    "2025-02-29",
    "2100-02-29",
    "1969-12-31",
    "2262-01-01",
    "20260501",
    "2026-05-01TZ",
    "+02026-05-01",
    "２０２６-05-01",
    "2026-05-01T10:00Z[UTC]",
  ])("%j is none", (text) => {
    expect(isTimestamp(text)).toBe(false);
    expect(parseTimestamp(text, UTC)).toBeUndefined();
  });

  test("with an offset is the same instant as for Date, to the nanosecond, in any store zone", () => {
    const seed = newSeed("timestamp");
    const offset = fc.tuple(fc.constantFrom("+", "-"), fc.nat(23), fc.nat(59), fc.constantFrom(":", ""));
    const dates = fc.date({ min: new Date("1970-01-02"), max: new Date("2261-12-30"), noInvalidDate: true });
    const two = (number: number) => String(number).padStart(2, "0");
    fc.assert(
      fc.property(dates, fc.nat(999_999), offset, fc.constantFrom(...ZONES), (date, rest, parts, zone) => {
        const [sign, hours, minutes, colon] = parts;
        const wall = date.toISOString().slice(0, 23);
        const text = `${wall}${String(rest).padStart(6, "0")}${sign}${two(hours)}${colon}${two(minutes)}`;
        const expected = nanos(`${wall}${sign}${two(hours)}:${two(minutes)}`, BigInt(rest));
        expect(parseTimestamp(text, new Zone(zone))).toBe(expected);
      }),
      { seed, numRuns: 500 },
    );
  });
});

describe("without a zone", () => {
  test.each([
    ["2026-07-01T12:00", "2026-07-01T10:00:00Z", "summer"],
    ["2026-01-01T12:00", "2026-01-01T11:00:00Z", "winter"],
    ["2026-10-25T01:59:59.999", "2026-10-24T23:59:59.999Z", "before the fold"],
    ["2026-10-25T02:30", "2026-10-25T00:30:00Z", "in the fold: the earlier one"],
    ["2026-10-25T03:00", "2026-10-25T02:00:00Z", "after the fold"],
    ["2026-03-29T01:59", "2026-03-29T00:59:00Z", "before the gap"],
    ["2026-03-29T03:00", "2026-03-29T01:00:00Z", "after the gap"],
    ["2026-03-29T02:30", "2026-03-29T00:30:00Z", "in the gap: with the offset after it"],
  ])("%s in Berlin is %s (%s)", (text, iso) => {
    expect(parseTimestamp(text, BERLIN)).toBe(nanos(iso));
  });

  /** What a clock on the wall shows, as Intl says: independent of what is tested. */
  function wallOf(instantMs: number, zone: string): string {
    const format = new Intl.DateTimeFormat("sv-SE", {
      timeZone: zone,
      dateStyle: "short",
      timeStyle: "medium",
    });
    return format.format(instantMs);
  }

  test("it is the earliest instant at which that zone's clock shows it", () => {
    const seed = newSeed("zones");
    const minutes = fc.integer({
      min: Date.parse("1970-01-02") / 60_000,
      max: Date.parse("2060-01-01") / 60_000,
    });
    // Nights on which clocks change are rare by chance alone.
    const nearChange = fc
      .tuple(
        fc.constantFrom("2026-03-29", "2026-10-25", "2025-11-02", "2026-03-08", "2026-04-05", "2026-10-04"),
        fc.integer({ min: -1440, max: 1440 }),
      )
      .map(([day, minute]) => Date.parse(day) / 60_000 + minute);
    fc.assert(
      fc.property(fc.oneof(minutes, nearChange), fc.constantFrom(...ZONES), (minute, zone) => {
        const instant = minute * 60_000;
        const wall = wallOf(instant, zone);
        const read = Number((parseTimestamp(wall, new Zone(zone)) ?? 0n) / 1_000_000n);
        expect(wallOf(read, zone)).toBe(wall);
        expect(read).toBeLessThanOrEqual(instant);
        for (const earlier of [30, 60, 120]) expect(wallOf(read - earlier * 60_000, zone)).not.toBe(wall);
      }),
      { seed, numRuns: 400 },
    );
  });
});

describe("a bound of a query", () => {
  test("a mere date is that whole day, however long it is", () => {
    expect(parseBound("2026-05-01", UTC, "start")).toBe(nanos("2026-05-01T00:00:00Z"));
    expect(parseBound("2026-05-01", UTC, "end")).toBe(nanos("2026-05-02T00:00:00Z") - 1n);
    expect(parseBound("2026-10-25", BERLIN, "start")).toBe(nanos("2026-10-24T22:00:00Z"));
    expect(parseBound("2026-10-25", BERLIN, "end")).toBe(nanos("2026-10-25T23:00:00Z") - 1n);
    expect(parseBound("2026-05-01+09:00", BERLIN, "end")).toBe(nanos("2026-05-01T15:00:00Z") - 1n);
    expect(parseBound("2261-12-31", UTC, "end")).toBe(nanos("2262-01-01T00:00:00Z") - 1n);
  });

  test("a time is that instant", () => {
    for (const side of ["start", "end"] as const) {
      expect(parseBound("2026-05-01T10:00Z", UTC, side)).toBe(nanos("2026-05-01T10:00:00Z"));
      expect(parseBound("2026-05-01T00:00", UTC, side)).toBe(nanos("2026-05-01T00:00:00Z"));
      expect(parseBound("yesterday", UTC, side)).toBeUndefined();
    }
  });
});
