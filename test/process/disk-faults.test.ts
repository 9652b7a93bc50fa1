/** A disk that fails: every promise is kept, the trouble is said once, and all goes on when it is over. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { breakStore, mendStore } from "./away.ts";
import { askAll, askHealth, lines, send } from "./client.ts";
import { BACKENDS, type Daemon, Home, hasOwnDisks } from "./daemon.ts";
import { expectAllKept } from "./faults/kept.ts";
import { AckingSender, acknowledgements } from "./faults/ledger.ts";
import { faulty } from "./faults/plan.ts";
import { difference, NONE, seeded, taskLine, taskLines } from "./patterns.ts";

const of = (daemon: Daemon, event: string) => daemon.log.filter((line) => line.event === event);

describe.each([
  ["a full disk", "write \\.(ndjson|replaced)", "ENOSPC"],
  ["writes that fail half way", "write \\.ndjson", "EIO half"],
  ["fsync that fails", "fsync \\.ndjson", "EIO"],
  ["fsync of folders that fails", "fsync folder", "EIO"],
] as const)("%s", (_, point, does) => {
  test("is said once; what is acknowledged meanwhile is spooled, and stored when it is over", async () => {
    const home = new Home();
    const flag = join(home.folder, "failing");
    const env = faulty({ point: `^${point}$`, while: flag, does });
    const daemon = await home.start({ backend: "filesystem", env });
    const sender = new AckingSender("s", seeded(1));
    await acknowledgements(sender, daemon.sockets.ingest, 3);
    writeFileSync(flag, "");
    // New days: their folders are new, too.
    const news = new AckingSender("new", seeded(2), "2025-12");
    const failed = daemon.event("backend.failed");
    await Promise.all([failed, acknowledgements(news, daemon.sockets.ingest, 6)]);
    const { status, reasons } = await askHealth(daemon.sockets.query);
    expect([status, reasons.length]).toEqual(["degraded", 1]);
    rmSync(flag);
    await daemon.event("backend.recovered");
    await acknowledgements(sender, daemon.sockets.ingest, 3);
    await expectAllKept(daemon, [sender, news]);
    expect([of(daemon, "backend.failed").length, of(daemon, "backend.recovered").length]).toEqual([1, 1]);
    expect(await daemon.stop()).toBe(0);
    await expectAllKept(await home.start({ backend: "filesystem" }), [sender, news]);
  });
});

test("a disk that hangs, the spool's too, stalls nobody, and loses nothing that it then completes", async () => {
  const home = new Home();
  const flag = join(home.folder, "hanging");
  const env = faulty({ point: "^fsync (\\.ndjson|spool)$", while: flag, does: "hang" });
  const daemon = await home.start({ backend: "filesystem", env, config: { queue: { maxBytes: 1_000 } } });
  const sender = new AckingSender("s", seeded(6));
  await acknowledgements(sender, daemon.sockets.ingest, 3);
  writeFileSync(flag, "");
  const waiting = acknowledgements(sender, daemon.sockets.ingest, 10);
  await daemon.event("spool.blocked");
  await expect(send(daemon.sockets.ingest, [lines(taskLine())])).rejects.toThrow();
  const { status, reasons } = await askHealth(daemon.sockets.query);
  expect(status).toBe("degraded");
  expect(reasons).toContain("lines can't be spooled: nothing has completed for a second");
  rmSync(flag);
  await daemon.event("spool.unblocked");
  await waiting;
  await expectAllKept(daemon, [sender]);
  expect(await daemon.stop()).toBe(0);
  await expectAllKept(await home.start({ backend: "filesystem" }), [sender]);
});

test("a spool that hangs when it is drained keeps no daemon from stopping", async () => {
  const home = new Home();
  const flag = join(home.folder, "hanging");
  const env = faulty({ point: "^remove spool$", while: flag, does: "hang" });
  const daemon = await home.start({ backend: "filesystem", env });
  breakStore(home);
  const batch = taskLines(5);
  expect((await send(daemon.sockets.ingest, [lines(...batch)])).receipt.stored).toBe(5);
  writeFileSync(flag, "");
  mendStore(home);
  await daemon.event("backend.recovered");
  expect(await daemon.stop()).toBe(0);
  await daemon.event("daemon.stopped");
  rmSync(flag);
  const next = await home.start({ backend: "filesystem" });
  await next.event("spool.drained");
  expect(difference(await askAll(next.sockets.query, 1000), batch)).toEqual(NONE);
});

test("short writes are gone on with", async () => {
  const home = new Home();
  const flag = join(home.folder, "failing");
  writeFileSync(flag, "");
  const env = faulty({ point: "^write \\.(ndjson|replaced|index)$", while: flag, does: "short" });
  const daemon = await home.start({ backend: "filesystem", env });
  const sender = new AckingSender("s", seeded(3));
  await acknowledgements(sender, daemon.sockets.ingest, 10);
  await expectAllKept(daemon, [sender]);
  expect(of(daemon, "backend.failed")).toEqual([]);
});

test("an index that can't be written is no trouble", async () => {
  const home = new Home();
  const flag = join(home.folder, "failing");
  writeFileSync(flag, "");
  const env = faulty({ point: "^(write|truncate) \\.index$", while: flag, does: "ENOSPC" });
  const daemon = await home.start({ backend: "filesystem", env });
  const sender = new AckingSender("s", seeded(4));
  await acknowledgements(sender, daemon.sockets.ingest, 30);
  await expectAllKept(daemon, [sender]);
  expect(await daemon.stop()).toBe(0);
  const again = await home.start({ backend: "filesystem" });
  await acknowledgements(sender, again.sockets.ingest, 3);
  await expectAllKept(again, [sender]);
});

describe.each(BACKENDS)("%s on a disk that is really full", (backend) => {
  test.skipIf(!hasOwnDisks)(
    "(skipped where there is no unshare) keeps every promise and resumes",
    async () => {
      const home = new Home();
      mkdirSync(dirname(home.state));
      const daemon = await home.start({
        backend,
        disk: { path: dirname(home.state), bytes: 24 * 1024 * 1024 },
      });
      const sender = new AckingSender("s", seeded(5));
      await acknowledgements(sender, daemon.sockets.ingest, 3);
      const ballast = daemon.inside(join(home.state, "ballast"));
      expect(() => writeFileSync(ballast, Buffer.alloc(32 * 1024 * 1024))).toThrow("ENOSPC");
      const stop = new AbortController();
      const sending = sender.run(daemon.sockets.ingest, () => {}, stop.signal);
      await daemon.event("backend.failed");
      await daemon.event("spool.blocked");
      // Whoever did not say hello is told at once, by the end of the connection.
      await expect(send(daemon.sockets.ingest, [lines(taskLine())])).rejects.toThrow();
      expect(await askHealth(daemon.sockets.query)).toMatchObject({ status: "degraded" });
      rmSync(ballast);
      await daemon.event("backend.recovered");
      stop.abort();
      await sending;
      await expectAllKept(daemon, [sender]);
      expect(of(daemon, "backend.failed").length).toBe(1);
      expect(await daemon.stop()).toBe(0);
    },
    40_000,
  );
});
