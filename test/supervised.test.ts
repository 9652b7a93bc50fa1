import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { Supervisor } from "../src/service/supervised.ts";

test("a stop asks for more time as long as it may take, and then no more", async () => {
  const told: string[] = [];
  const supervisor = new Supervisor({ WATCHDOG_USEC: "20000" }, async (...all) => {
    told.push(...all);
  });
  const extensions = () => told.filter((line) => line.startsWith("EXTEND_TIMEOUT_USEC=")).length;
  supervisor.stopping(100);
  await setTimeout(50);
  expect(extensions()).toBeGreaterThan(1);
  await setTimeout(150);
  const all = extensions();
  await setTimeout(50);
  expect(extensions()).toBe(all);
});
