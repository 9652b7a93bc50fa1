import { expect, test } from "vitest";
import { pauseMs } from "../src/store/steps.ts";

test.each([
  ["twenty-four times the work, while calls are short", 12, 15, 288],
  ["little more than half a second, however long a step was", 80, 15, 600],
  ["three calls, where these are long", 12, 400, 1_200],
  ["two seconds at most", 12, 30_000, 2_000],
  ["nothing of calls that were never made", 2, 0, 48],
])("long work leaves others %s", (_, worked, call, pause) => {
  expect(pauseMs(worked, call)).toBe(pause);
});
