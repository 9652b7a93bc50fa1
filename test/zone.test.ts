import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { Zone } from "../src/pattern/zone.ts";

const HOUR_MS = 3_600_000;
const MOMENTS = fc.integer({ min: Date.UTC(1990), max: Date.UTC(2040) });

test.each([
  ["UTC", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"],
  ["Etc/UTC", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"],
  ["Europe/Berlin", "2026-07-01T23:30:00Z", "2026-07-02T01:30:00Z"],
  ["Europe/Berlin", "2026-01-01T23:30:00Z", "2026-01-02T00:30:00Z"],
  ["Asia/Kathmandu", "2026-01-01T23:30:00Z", "2026-01-02T05:15:00Z"],
  ["America/St_Johns", "2026-01-01T00:00:00Z", "2025-12-31T20:30:00Z"],
])("in %s it is at %s by the wall %s", (id, instant, wall) => {
  const zone = new Zone(id);
  expect(zone.toWallMs(Date.parse(instant))).toBe(Date.parse(wall));
  expect(zone.toEpochMs(Date.parse(wall))).toBe(Date.parse(instant));
});

test.each([
  ["UTC", "UTC"],
  ["", "UTC"],
  ["Europe/Berlin", "Europe/Berlin"],
  ["Nowhere/Else", "UTC"],
])("where TZ is %j, it is %s", (TZ, id) => {
  const before = process.env.TZ;
  onTestFinished(() => {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  });
  process.env.TZ = TZ;
  expect(Zone.host().id).toBe(id);
});

test.each(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])(
  "in %s a moment is found again by its time on the wall, or the earlier one that has the same",
  (id) => {
    const zone = new Zone(id);
    fc.assert(
      fc.property(MOMENTS, (moment) => {
        const found = zone.toEpochMs(zone.toWallMs(moment));
        expect(found).toBeLessThanOrEqual(moment);
        expect(moment - found).toBeLessThanOrEqual(HOUR_MS);
        expect(zone.toWallMs(found)).toBe(zone.toWallMs(moment));
      }),
    );
  },
);
