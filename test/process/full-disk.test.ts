/** A disk that is full to the last byte: a daemon starts there, and a WAL does not keep what it takes of it. */
import { closeSync, openSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { askAll, askHealth, lines, send } from "./client.ts";
import { BACKENDS, type Daemon, Home, hasOwnDisks, SharedDisk } from "./daemon.ts";
import { expectAllKept } from "./faults/kept.ts";
import { AckingSender, acknowledgements } from "./faults/ledger.ts";
import { seeded, taskLine } from "./patterns.ts";

const MIB = 1024 * 1024;

/** Takes every byte that is left. */
function fill(path: string): void {
  const fd = openSync(path, "a");
  for (const size of [65_536, 4_096, 1]) {
    expect(() => {
      for (;;) writeSync(fd, Buffer.alloc(size));
    }).toThrow("ENOSPC");
  }
  closeSync(fd);
}

async function worldOn(bytes: number): Promise<{ home: Home; disk: SharedDisk }> {
  const home = new Home();
  return { home, disk: await SharedDisk.mount(dirname(home.state), bytes) };
}

async function expectOne(daemon: Daemon): Promise<void> {
  const { receipt } = await send(daemon.sockets.ingest, [lines(taskLine())]);
  expect(receipt).toMatchObject({ stored: 1 });
}

describe.skipIf(!hasOwnDisks)("(skipped where there is no unshare)", () => {
  test.each(BACKENDS)(
    "%s: a daemon starts on a full disk, answers, turns lines away, and takes them when there is room",
    async (backend) => {
      const { home, disk } = await worldOn(8 * MIB);
      const config = {
        metrics: { textfile: join(home.state, "patternd.prom") },
        shutdown: { timeoutMs: 500 },
      };
      const first = await home.start({ backend, shared: disk, config });
      const line = taskLine();
      await send(first.sockets.ingest, [lines(line)]);
      expect(await first.stop()).toBe(0);
      const ballast = disk.inside("ballast");
      fill(ballast);

      const daemon = await home.start({ backend, shared: disk, config });
      expect(await askAll(daemon.sockets.query, 10)).toEqual([line]);
      const sender = new AckingSender("s", seeded(1));
      const failed = daemon.event("spool.blocked");
      const waiting = acknowledgements(sender, daemon.sockets.ingest, 60);
      await failed;
      expect(await askHealth(daemon.sockets.query)).toMatchObject({ status: "degraded" });
      expect(await askAll(daemon.sockets.query, 10_000)).toContain(line);
      expect(await daemon.stop()).toBe(1);
      await waiting;

      const again = await home.start({ backend, shared: disk, config });
      expect(await askAll(again.sockets.query, 10_000)).toContain(line);
      rmSync(ballast);
      await acknowledgements(sender, again.sockets.ingest, 3);
      await send(again.sockets.ingest, [lines(line)]);
      expect(await again.stop()).toBe(0);
    },
    40_000,
  );

  test("sqlite: where no room is kept for it, a start that a full disk prevents says so", async () => {
    const { home, disk } = await worldOn(4 * MIB);
    const first = await home.start({ backend: "sqlite", shared: disk });
    expect(await first.stop()).toBe(0);
    rmSync(disk.inside("patternd/patterns.db.reserve"));
    const ballast = disk.inside("ballast");
    fill(ballast);
    const refused = home.launch({ backend: "sqlite", shared: disk });
    expect(await refused.exited).toBe(1);
    expect(refused.errors).toContain("patterns.db can't be opened: the disk is full\nMake room");
    rmSync(ballast);
    await expectOne(await home.start({ backend: "sqlite", shared: disk }));
  });

  test("sqlite: a WAL of few patterns makes room by itself where it fills the disk", async () => {
    const { home, disk } = await worldOn(4 * MIB);
    const daemon = await home.start({ backend: "sqlite", shared: disk });
    const failed = daemon
      .event("backend.failed")
      .then((line) => Promise.reject(new Error(String(line.error))));
    const sending = async () => {
      for (let n = 0; n < 300; n += 1) await expectOne(daemon);
    };
    await Promise.race([sending(), failed]);
    expect(await daemon.stop()).toBe(0);
  }, 40_000);

  test("sqlite: room that is made on a full disk empties the WAL before anything else goes there", async () => {
    const { home, disk } = await worldOn(16 * MIB);
    // What waits is to be little beside what is stored.
    const config = { queue: { maxBytes: 256 * 1024, spoolBytes: 0 } };
    const daemon = await home.start({ backend: "sqlite", shared: disk, config });
    const ballast = disk.inside("ballast");
    writeFileSync(ballast, Buffer.alloc(8 * MIB));
    const sender = new AckingSender("s", seeded(2));
    const filling = new AbortController();
    const filled = sender.run(daemon.sockets.ingest, () => {}, filling.signal);
    await daemon.event("spool.blocked");
    filling.abort();
    await filled;
    rmSync(ballast);
    await daemon.event("backend.recovered");
    expect(statSync(disk.inside("patternd/patterns.db-wal")).size).toBeLessThan(5 * MIB);
    await expectAllKept(daemon, [sender]);
    expect(await daemon.stop()).toBe(0);
  }, 40_000);
});
