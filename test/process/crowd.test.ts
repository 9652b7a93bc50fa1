import { describe, expect, test } from "vitest";
import { askAll, askHealth, balance, type LineCounts, lines, send } from "./client.ts";
import { until } from "./crowd.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { cut, difference, NONE, newSeed, seeded, taskLines } from "./patterns.ts";

const CONNECTIONS = 20;
const PATTERNS = Number(process.env.PATTERND_TEST_LINES ?? 100_000);

/** The counts again and again while others send. */
async function watch(query: string, isOver: () => boolean): Promise<LineCounts[]> {
  const seen: LineCounts[] = [];
  while (!isOver()) seen.push((await askHealth(query)).lines);
  return seen;
}

describe.each(BACKENDS)("%s", (backend) => {
  test(`${PATTERNS} patterns over ${CONNECTIONS} connections in random pieces are each stored once`, async () => {
    const random = seeded(newSeed("crowd"));
    const home = new Home();
    const daemon = await home.start({ backend });
    const { sockets } = daemon;
    const each = Math.ceil(PATTERNS / CONNECTIONS);
    const batches = Array.from({ length: CONNECTIONS }, () => taskLines(each));
    let splitCharacters = 0;
    function* pieces(batch: readonly string[]) {
      for (const piece of cut(lines(...batch), random)) {
        if (((piece[0] ?? 0) & 0xc0) === 0x80) splitCharacters += 1;
        yield piece;
      }
    }

    let isOver = false;
    const watching = watch(sockets.query, () => isOver);
    const replies = await Promise.all(batches.map((batch) => send(sockets.ingest, pieces(batch))));
    isOver = true;
    for (const counts of await watching) {
      const { came, went } = balance(counts, counts.in_flight);
      expect(went).toBe(came);
    }

    expect(splitCharacters).toBeGreaterThan(0);
    for (const { receipt, rejects } of replies) {
      expect(receipt).toEqual({ lines: each, stored: each, rejected: 0, not_collected: 0 });
      expect(rejects).toEqual([]);
    }
    // A store on a busy disk may have been late: then the rest is promised, and on its way through the spool.
    await until(daemon, ({ lines }) => lines.spooled === 0);
    const { lines: counts } = await askHealth(sockets.query);
    expect(counts).toMatchObject({ received: each * CONNECTIONS, stored: each * CONNECTIONS, in_flight: 0 });
    const stored = await askAll(sockets.query, 10_000);
    expect(difference(stored, batches.flat())).toEqual(NONE);
    expect(await daemon.stop()).toBe(0);
  }, 120_000);
});
