/** What becomes of patterns while the store, or the disk, does not take them. Real faults on real daemons. */
import { mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import Database from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import { breakStore, mendStore } from "./away.ts";
import { ask, askAll, askHealth, balance, lines, readReplies, send } from "./client.ts";
import { type Daemon, Home } from "./daemon.ts";
import { difference, NONE, newSeed, seeded, taskLine, taskLines } from "./patterns.ts";

const spooled = (home: Home) =>
  readdirSync(join(home.state, "spool")).filter((name) => name.endsWith(".spool"));

/** Everything that came in is accounted for, and how much of it is where. */
async function expectBalance({ sockets }: Daemon, expected: object): Promise<void> {
  const { lines: counts } = await askHealth(sockets.query);
  expect(counts).toMatchObject(expected);
  const { came, went } = balance(counts, counts.in_flight);
  expect(went).toBe(came);
}

/** Sends and asks for acks: resolves when all is acknowledged. */
async function sendAcked(daemon: Daemon, batch: readonly string[]): Promise<void> {
  const socket = connect({ path: daemon.sockets.ingest, allowHalfOpen: true });
  socket.write(lines('{"hello":1,"ack":true}', ...batch));
  for await (const reply of createInterface({ input: socket })) {
    if (JSON.parse(reply).ack !== batch.length) continue;
    socket.destroy();
    return;
  }
  throw new Error("the connection was closed before everything was acknowledged");
}

/** Writes on and on: resolves to the error that it gets. */
function fireAndForget({ sockets }: Daemon): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ path: sockets.ingest, allowHalfOpen: true });
    socket.on("error", (error) => resolve(error.message));
    const write = () => {
      socket.write(lines(taskLine()), (error) => error ?? setImmediate(write));
    };
    write();
  });
}

describe("a store that fails", () => {
  test("has its lines spooled and acknowledged, and gets them in order when it works again", async () => {
    const home = new Home();
    const daemon = await home.start({ backend: "filesystem" });
    breakStore(home);
    const batch = taskLines(500);
    const last = taskLine({ id: "same", task: "last of the same instant" });
    const same = [taskLine({ id: "same", task: "first" }), taskLine({ id: "same", task: "second" })];
    const { receipt } = await send(daemon.sockets.ingest, [lines(...batch, ...same, "not JSON")]);
    expect(receipt).toEqual({ lines: 503, stored: 502, rejected: 1, not_collected: 0 });
    await sendAcked(daemon, [last]);
    const health = await askHealth(daemon.sockets.query);
    expect(health).toMatchObject({ status: "degraded", spool: { lines: 503 } });
    expect(health.reasons).toMatchObject([expect.stringMatching(/^lines can't be written: /)]);
    await expectBalance(daemon, { received: 504, rejected: 1, spooled: 503, stored: 0, in_flight: 0 });
    expect(statSync(join(home.state, "spool")).mode & 0o777).toBe(0o700);
    for (const name of spooled(home)) {
      expect(statSync(join(home.state, "spool", name)).mode & 0o777).toBe(0o600);
    }
    await daemon.event("spool.started");
    mendStore(home);
    await daemon.event("spool.drained");
    expect(difference(await askAll(daemon.sockets.query, 1000), [...batch, last])).toEqual(NONE);
    expect(await askHealth(daemon.sockets.query)).toMatchObject({ status: "ready", spool: { lines: 0 } });
    await expectBalance(daemon, { stored: 501, replaced: 2, rejected: 1, spooled: 0, in_flight: 0 });
    expect(spooled(home)).toEqual([]);
    expect(await daemon.stop()).toBe(0);
  });

  test("loses nothing that was acknowledged when the daemon is killed meanwhile", async () => {
    const home = new Home();
    const first = await home.start({ backend: "filesystem" });
    const before = [taskLine()];
    await sendAcked(first, before);
    breakStore(home);
    const batches = Array.from({ length: 4 }, () => taskLines(100));
    await Promise.all(batches.map((batch) => sendAcked(first, batch)));
    await first.stop("SIGKILL");
    mendStore(home);
    const second = await home.start({ backend: "filesystem" });
    const after = taskLine();
    await sendAcked(second, [after]);
    await second.event("spool.drained");
    const sent = [...before, ...batches.flat(), after];
    expect(difference(await askAll(second.sockets.query, 1000), sent)).toEqual(NONE);
    await expectBalance(second, {
      spooled_at_start: 400,
      received: 1,
      stored: 401,
      spooled: 0,
      in_flight: 0,
    });
  });

  test("does not keep the daemon from stopping with everything in the spool", async () => {
    const home = new Home();
    const first = await home.start({ backend: "filesystem" });
    breakStore(home);
    const batch = taskLines(200);
    const socket = connect({ path: first.sockets.ingest, allowHalfOpen: true });
    const answer = text(socket);
    await new Promise((resolve) => socket.write(lines(...batch), resolve));
    expect(await first.stop()).toBe(0);
    expect(readReplies(await answer).receipt).toMatchObject({ lines: 200, stored: 200 });
    const stopped = await first.event("daemon.stopped");
    expect(stopped).toMatchObject({ received: 200, spooled: 200, stored: 0, abandoned: 0 });
    expect(spooled(home)).not.toEqual([]);
    mendStore(home);
    const second = await home.start({ backend: "filesystem" });
    await second.event("spool.drained");
    expect(difference(await askAll(second.sockets.query, 1000), batch)).toEqual(NONE);
    await expectBalance(second, { spooled_at_start: 200, stored: 200, spooled: 0 });
  });
});

test("whatever was acknowledged before kills at random moments, with a store that comes and goes, is there once", async () => {
  const random = seeded(newSeed("spool kill"));
  const home = new Home();
  const sent: string[] = [];
  const acked: string[] = [];
  for (let round = 0; round < 4; round += 1) {
    const daemon = await home.start({ backend: "filesystem" });
    let left = 5 + Math.floor(random() * 30);
    let isAway = false;
    const sender = async () => {
      while (left > 0) {
        const batch = taskLines(1 + Math.floor(random() * 300));
        sent.push(...batch);
        await sendAcked(daemon, batch);
        acked.push(...batch);
        left -= 1;
        if (left === 0) daemon.signal("SIGKILL");
        else if (random() < 0.3) {
          if (isAway) mendStore(home);
          else breakStore(home);
          isAway = !isAway;
        }
      }
    };
    await Promise.allSettled([sender(), sender(), sender()]);
    expect(await daemon.exited).toBeNull();
    if (isAway) mendStore(home);
  }
  const last = await home.start({ backend: "filesystem" });
  if ((await askHealth(last.sockets.query)).spool.lines > 0) await last.event("spool.drained");
  const stored = await askAll(last.sockets.query, 10_000);
  expect(difference(stored, acked).missing).toBe(0);
  expect(difference(stored, sent)).toMatchObject({ unknown: 0, twice: 0 });
  await expectBalance(last, { spooled: 0, in_flight: 0, damaged: 0 });
}, 60_000);

test("a database that another process holds holds nobody up", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "sqlite" });
  const before = taskLines(10);
  await sendAcked(daemon, before);
  const other = new Database(join(home.state, "patterns.db"));
  onTestFinished(() => {
    other.close();
  });
  other.exec("BEGIN EXCLUSIVE");
  const batches = Array.from({ length: 5 }, () => taskLines(100));
  for (const batch of batches) await sendAcked(daemon, batch);
  const { status, spool } = await askHealth(daemon.sockets.query);
  expect({ status, spool }).toMatchObject({ status: "degraded", spool: { lines: 500 } });
  await expectBalance(daemon, { received: 510, stored: 10, spooled: 500, in_flight: 0 });
  other.exec("ROLLBACK");
  await daemon.event("spool.drained");
  expect(difference(await askAll(daemon.sockets.query, 1000), [...before, ...batches.flat()])).toEqual(NONE);
  await expectBalance(daemon, { received: 510, stored: 510, spooled: 0, in_flight: 0 });
  expect(await askHealth(daemon.sockets.query)).toMatchObject({ status: "ready", reasons: [] });
});

test("a store that is stuck when the daemon stops has what it holds spooled", async () => {
  const home = new Home();
  const first = await home.start({ backend: "sqlite", config: { shutdown: { timeoutMs: 100 } } });
  const other = new Database(join(home.state, "patterns.db"));
  onTestFinished(() => {
    other.close();
  });
  other.exec("BEGIN EXCLUSIVE");
  const batch = taskLines(20);
  const answer = send(first.sockets.ingest, [lines(...batch)]);
  await first.stop("SIGTERM");
  expect((await answer).receipt.stored).toBe(20);
  expect(await first.exited).toBe(0);
  other.exec("ROLLBACK");
  const second = await home.start({ backend: "sqlite" });
  await second.event("spool.drained");
  expect(difference(await askAll(second.sockets.query, 1000), batch)).toEqual(NONE);
});

describe("with no place left", () => {
  test("who said hello is held back, others are closed, and all goes on when the store works", async () => {
    const home = new Home();
    const config = { queue: { spoolBytes: 100_000 } };
    const daemon = await home.start({ backend: "filesystem", config });
    const waiting = connect({ path: daemon.sockets.ingest, allowHalfOpen: true });
    const answer = text(waiting);
    const greeted = new Promise((resolve) => waiting.once("data", resolve));
    waiting.write(lines('{"hello":1,"ack":true}'));
    await greeted;
    const stalled = connect(daemon.sockets.ingest);
    stalled.on("error", () => {});
    stalled.resume();
    const closed = new Promise((resolve) => stalled.once("close", resolve));

    breakStore(home);
    const fits = taskLines(10);
    await sendAcked(daemon, fits);
    const more = taskLines(2_000);
    waiting.write(lines(...more));
    await daemon.event("spool.blocked");
    const health = await askHealth(daemon.sockets.query);
    expect(health.reasons).toContainEqual(expect.stringMatching(/^lines can't be spooled: .*spoolBytes/));
    stalled.write(lines(taskLine()));
    await closed;
    expect(await fireAndForget(daemon)).toMatch(/EPIPE|ECONNRESET/);
    await expect(send(daemon.sockets.ingest, [lines(taskLine())])).rejects.toThrow();
    await daemon.event("connection.refused");

    mendStore(home);
    waiting.end();
    const replies = (await answer).trim().split("\n");
    expect(JSON.parse(replies.at(-1) ?? "")).toEqual({
      receipt: { lines: 2000, stored: 2000, rejected: 0, not_collected: 0 },
    });
    expect(difference(await askAll(daemon.sockets.query, 1000), [...fits, ...more])).toEqual(NONE);
    await expectBalance(daemon, { received: 2010, stored: 2010, spooled: 0, in_flight: 0 });
    expect(await askHealth(daemon.sockets.query)).toMatchObject({ status: "ready" });
  });

  test("nothing is acknowledged that neither the store nor the spool has", async () => {
    const home = new Home();
    const daemon = await home.start({ backend: "filesystem", config: { shutdown: { timeoutMs: 200 } } });
    const spool = join(home.state, "spool");
    renameSync(spool, `${spool}.away`);
    writeFileSync(spool, "in the way");
    breakStore(home);
    const socket = connect({ path: daemon.sockets.ingest, allowHalfOpen: true });
    socket.on("error", () => {});
    const answer = text(socket).catch(() => "");
    socket.write(lines(taskLine()));
    await daemon.event("spool.blocked");
    await expectBalance(daemon, { received: 1, stored: 0, spooled: 0, in_flight: 1 });
    expect(await daemon.stop()).toBe(1);
    expect(await answer).toBe("");
    expect(await daemon.event("daemon.stopped")).toMatchObject({ level: "error", abandoned: 1 });
  });
});

test("two daemons never share a spool", async () => {
  const home = new Home();
  await home.start({ backend: "filesystem" });
  const other = join(home.folder, "other");
  mkdirSync(other);
  const sockets = Object.fromEntries(
    ["ingest", "query", "control"].map((n) => [n, { socket: join(other, n) }]),
  );
  const second = home.launch({ backend: "filesystem", config: { path: join(other, "store"), ...sockets } });
  expect(await second.exited).toBe(1);
  expect(await second.event("daemon.failed")).toMatchObject({ code: "spool_locked" });
});

test("a flush asked for while the store fails ends when all is in the spool", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "filesystem" });
  breakStore(home);
  const socket = connect(daemon.sockets.ingest);
  await new Promise((resolve) => socket.end(lines(taskLine()), () => resolve(undefined)));
  await daemon.event("backend.failed");
  const { status, body } = await ask(daemon.sockets.control, "/v1/flush", "POST");
  expect([status, JSON.parse(body).lines]).toMatchObject([200, { spooled: 1, in_flight: 0 }]);
});
