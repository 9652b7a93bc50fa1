/** Senders who are held back: what they are told when the daemon stops, and that one who has gone leaves its place. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { IngestServer } from "../src/ingest/server.ts";
import type { Outcome } from "../src/pattern/settlement.ts";
import type { Spool } from "../src/queue/spool/spool.ts";
import { openSpool, queueWith, store, temporaryFolder } from "./queue-fixture.ts";

const HELLO = '{"hello":1,"ack":true}\n';

/** A server whose queue is full with the line "a" that this content begins with, which the store takes when `release` is called. */
async function fullServer(content: string, options: { readonly spool?: Spool } = {}) {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { queue } = await queueWith(
    async (ids): Promise<Outcome[]> => {
      await released;
      return store(ids);
    },
    { ...options, maxBytes: 401 },
  );
  const socket = join(temporaryFolder(), "ingest.sock");
  let turnedAway = 0;
  const server = await IngestServer.listen({
    socket,
    fd: undefined,
    mode: 0o600,
    maxConnections: 10,
    maxLineBytes: 1_000,
    unfinishedBytes: 10_000,
    server: "patternd/test",
    sink: queue,
    onRefused: () => {},
    onReplyDropped: () => {},
    onTurnedAway: () => {
      turnedAway += 1;
    },
    onFailed: () => {},
  });
  onTestFinished(async () => {
    release();
    server.destroy();
    await server.stop(0);
  });
  const first = connected(socket, content);
  while (queue.admission !== "full") await new Promise(setImmediate);
  return { queue, server, socket, first, release, turnedAway: () => turnedAway };
}

function connected(path: string, content: string): Socket {
  const socket = connect({ path, allowHalfOpen: true });
  socket.write(content);
  socket.on("error", () => {});
  return socket;
}

const whole = { receipt: { lines: 1, stored: 1, rejected: 0, not_collected: 0 } };

function repliesIn(answer: string): unknown[] {
  return answer
    .split("\n")
    .slice(0, -1)
    .map((reply) => JSON.parse(reply));
}

test("a plain sender that was not read when the daemon stops gets no receipt, and is counted", async () => {
  const { socket, server, first, release, turnedAway } = await fullServer("a\n");
  const held = connected(socket, "b\n");
  const [answer, said] = [text(held).catch(() => ""), text(first)];
  await new Promise<void>((resolve) => held.end(resolve));
  await server.stop(100);
  expect([await answer, turnedAway()]).toEqual(["", 1]);
  release();
  // All of this one was read, though it is held back too.
  expect(repliesIn(await said)).toEqual([whole]);
});

test("a sender with hello that was not read to its end gets its last ack, and no receipt", async () => {
  const { server, first, release, turnedAway } = await fullServer(`${HELLO}a\n`);
  const answer = text(first);
  await new Promise<void>((resolve) => first.end("b\n", resolve));
  await server.stop(100);
  release();
  expect(repliesIn(await answer)).toEqual([expect.objectContaining({ hello: 1 }), { ack: 1 }]);
  expect(turnedAway()).toBe(1);
});

test("one that hung up leaves its place to another; one that half-closed is told its last ack again", async () => {
  const spool = await openSpool({ maxBytes: 1 });
  const { queue, server, socket, first, release } = await fullServer(`${HELLO}a\n`, { spool });
  const replies = createInterface({ input: first })[Symbol.asyncIterator]();
  const reply = async (): Promise<unknown> => JSON.parse((await replies.next()).value);
  expect(await reply()).toMatchObject({ hello: 1 });
  // Of one nothing was read but the hello, of the other everything.
  for (const content of ["b\n", ""]) {
    const gone = connected(socket, HELLO);
    await once(gone, "data");
    await new Promise<void>((resolve) => gone.write(content, () => resolve()));
    gone.destroy();
  }
  first.end();
  expect(await reply()).toEqual({ ack: 0 });
  while (server.connections > 1) await setTimeout(20);
  expect(queue.admission).toBe("closed");
  release();
  expect(await reply()).toEqual({ ack: 1 });
  expect(await reply()).toEqual(whole);
  await queue.flush();
  expect(queue.counts.snapshot()).toMatchObject({ received: 1, stored: 1, rejected: 0 });
});
