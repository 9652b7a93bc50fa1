import { expect } from "vitest";
import { ask, askAll, askHealth, balance } from "../client.ts";
import type { Daemon } from "../daemon.ts";
import { type AckingSender, brokenPromises } from "./ledger.ts";

/** Everything is where it belongs: nothing is on its way, nothing in the spool, no promise broken. */
export async function expectAllKept(daemon: Daemon, senders: readonly AckingSender[]): Promise<void> {
  await ask(daemon.sockets.control, "/v1/flush", "POST");
  let health = await askHealth(daemon.sockets.query);
  if (health.spool.lines > 0) {
    await daemon.event("spool.drained");
    health = await askHealth(daemon.sockets.query);
  }
  expect(health).toMatchObject({ status: "ready", spool: { lines: 0 }, lines: { in_flight: 0, spooled: 0 } });
  const { came, went } = balance(health.lines, 0);
  expect(went).toBe(came);
  expect(brokenPromises(senders, await askAll(daemon.sockets.query, 10_000)).slice(0, 5)).toEqual([]);
}
