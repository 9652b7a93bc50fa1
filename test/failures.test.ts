/** What the log says of a part that fails and works again, over and over. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Log } from "../src/log.ts";
import { FailureLog } from "../src/wiring/failures.ts";

let said: string[];
let failures: FailureLog<"store">;
const log: Log = (level, event, fields = {}) => {
  said.push([level, event, fields.error, fields.times].filter((word) => word !== undefined).join(" "));
};

beforeEach(() => {
  vi.useFakeTimers();
  said = [];
  failures = new FailureLog(log, { store: { failed: "backend.failed", recovered: "backend.recovered" } });
});
afterEach(() => {
  vi.useRealTimers();
});

const flap = (error: string) => {
  failures.failed("store", new Error(error));
  failures.recovered("store");
};

test("one failure is said at once, and so is its end", () => {
  failures.failed("store", new Error("full"));
  vi.advanceTimersByTime(3_600_000);
  failures.recovered("store");
  expect(said).toEqual(["error backend.failed full", "info backend.recovered"]);
});

test("what comes soon after it is counted, and said together", () => {
  flap("first");
  for (let n = 0; n < 5; n += 1) flap(`slow ${n}`);
  expect(said).toEqual(["error backend.failed first", "info backend.recovered"]);
  vi.advanceTimersByTime(10_000);
  expect(said.slice(2)).toEqual(["error backend.failed slow 4 5", "info backend.recovered"]);
  vi.advanceTimersByTime(3_600_000);
  expect(said).toHaveLength(4);
});

test("what goes on failing is said, if later, and its end once", () => {
  flap("first");
  failures.failed("store", new Error("full"));
  vi.advanceTimersByTime(9_999);
  expect(said).toHaveLength(2);
  vi.advanceTimersByTime(1);
  expect(said.slice(2)).toEqual(["error backend.failed full"]);
  failures.recovered("store");
  expect(said.slice(3)).toEqual(["info backend.recovered"]);
});

test("at the end nothing is left unsaid", () => {
  flap("first");
  flap("second");
  failures.close();
  expect(said.slice(2)).toEqual(["error backend.failed second", "info backend.recovered"]);
  vi.advanceTimersByTime(3_600_000);
  expect(said).toHaveLength(4);
});
