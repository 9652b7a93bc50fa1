import { describe, expect, test } from "vitest";
import { askAll, lines, send } from "./client.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { difference, NONE, newSeed, seeded, taskLines } from "./patterns.ts";

const ROUNDS = 3;
const SENDERS = 4;

describe.each(BACKENDS)("%s", (backend) => {
  test("whatever got a receipt before a kill -9 is there exactly once", async () => {
    const random = seeded(newSeed("kill"));
    const home = new Home();
    const sent = new Set<string>();
    const acknowledged = new Set<string>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const daemon = await home.start({ backend });
      let receipts = 1 + Math.floor(random() * 40);
      const sender = async () => {
        while (receipts > 0) {
          const batch = taskLines(1 + Math.floor(random() * 200));
          for (const line of batch) sent.add(line);
          const { receipt } = await send(daemon.sockets.ingest, [lines(...batch)]);
          expect(receipt.stored).toBe(batch.length);
          for (const line of batch) acknowledged.add(line);
          receipts -= 1;
          if (receipts === 0) daemon.signal("SIGKILL");
        }
      };
      // All but the last to get a receipt may be cut off by the kill.
      await Promise.allSettled(Array.from({ length: SENDERS }, sender));
      expect(await daemon.exited).toBeNull();
    }
    expect(acknowledged.size).toBeGreaterThan(0);

    const { sockets } = await home.start({ backend });
    const stored = await askAll(sockets.query, 10_000);
    expect(difference(stored, [...acknowledged]).missing).toBe(0);
    expect(difference(stored, [...sent])).toMatchObject({ unknown: 0, twice: 0 });
    // Sent again, nothing is stored twice.
    await send(sockets.ingest, [lines(...sent)]);
    expect(difference(await askAll(sockets.query, 10_000), [...sent])).toEqual(NONE);
  }, 60_000);
});
