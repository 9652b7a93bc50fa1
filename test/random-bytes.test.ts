/** Where the command's ids have their random bytes from. */
import { expect, test, vi } from "vitest";
import randomBytes from "../src/cli/random-bytes.ts";
import { whileFailing } from "./failing-calls.ts";

test("sixteen bytes, other ones each time", () => {
  const drawn = Array.from({ length: 100 }, randomBytes);
  expect(drawn.every(({ length }) => length === 16)).toBe(true);
  expect(new Set(drawn.map(String)).size).toBe(100);
});

test("where the kernel has no file for them, they are Node's", async () => {
  const fill = vi.spyOn(globalThis.crypto, "getRandomValues");
  const drawn = await whileFailing(
    (call) => call === "openSync",
    async () => Array.from({ length: 40 }, randomBytes),
  );
  expect(fill).toHaveBeenCalled();
  expect(new Set(drawn.map(String)).size).toBe(40);
});
