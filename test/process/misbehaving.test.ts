/** Clients that misbehave cost bounded memory, and harm nobody else. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { PAGE_BYTES } from "../../src/store/backend.ts";
import { PIECE_BYTES } from "../../src/store/pieces.ts";
import { askAll, askHealth, lines, readReplies, send } from "./client.ts";
import { behave, expectBalance, memory, memoryBound, open, openMany, SERVED, until, write } from "./crowd.ts";
import { Home, type LogLine } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

const MIB = 1024 * 1024;
const QUEUE_BYTES = 32 * MIB;
const UNFINISHED_BYTES = 32 * MIB;
const REPLY_BYTES = 64 * 1024;
const HELLO = '{"hello":1,"ack":true}';

test("a line that never ends", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const start = memory(daemon).now;
  const socket = await open(daemon.sockets.ingest);
  const answer = text(socket);
  const piece = Buffer.alloc(MIB, "x");
  for (let sent = 0; sent < 300; sent += 1) {
    await write(socket, piece);
    if (sent % 100 === 0) expect(await behave(daemon)).toEqual(SERVED);
  }
  expect(memory(daemon).peak).toBeLessThan(memoryBound(start, MIB));
  socket.end();
  const { rejects } = readReplies(await answer);
  expect(rejects).toMatchObject([
    { line: 1, code: "line_too_long", message: expect.stringContaining(`${300 * MIB}`) },
  ]);
  expect(await expectBalance(daemon)).toBe(0);
});

test("a byte at a time, for as long as it takes", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const socket = await open(daemon.sockets.ingest);
  const answer = text(socket);
  const line = taskLine();
  for (const byte of lines(line)) {
    await write(socket, Buffer.from([byte]));
    await setImmediate();
  }
  expect(await behave(daemon)).toEqual(SERVED);
  await write(socket, '{"pattern_id"');
  expect(await daemon.stop()).toBe(0);
  // The daemon does not wait for the rest, and says so: one line, and not the half one.
  expect(readReplies(await answer).receipt).toEqual({ lines: 1, stored: 1, rejected: 0, not_collected: 0 });
});

test("500 connections that send nothing", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const silent = await openMany(daemon, 500);
  expect(await behave(daemon)).toEqual(SERVED);
  expect(await expectBalance(daemon)).toBe(0);
  const answers = silent.map((socket) => text(socket));
  expect(await daemon.stop()).toBe(0);
  for (const answer of answers) expect(readReplies(await answer).receipt.lines).toBe(0);
});

test("1,000 connections, each with half a line of 1 MiB", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const start = memory(daemon).now;
  const crowd = await openMany(daemon, 1000);
  const half = Buffer.alloc(MIB / 2, "x");
  await Promise.all(crowd.map((socket) => write(socket, half)));
  expect(await behave(daemon)).toEqual(SERVED);
  expect(memory(daemon).peak).toBeLessThan(memoryBound(start, UNFINISHED_BYTES));

  const answers = crowd.map((socket) => text(socket));
  for (const socket of crowd) socket.end();
  const codes: Record<string, number> = {};
  for (const { rejects, receipt } of (await Promise.all(answers)).map(readReplies)) {
    expect(receipt).toEqual({ lines: 1, stored: 0, rejected: 1, not_collected: 0 });
    for (const { code } of rejects) codes[code] = (codes[code] ?? 0) + 1;
  }
  // As many as the shared budget has room for are held, and then say what they are; at least half of it is used.
  const { incomplete_line = 0, overloaded = 0, ...others } = codes;
  expect([incomplete_line + overloaded, others]).toEqual([1000, {}]);
  expect(incomplete_line).toBeGreaterThan(UNFINISHED_BYTES / half.length / 2 - 1);
  expect(incomplete_line).toBeLessThanOrEqual(UNFINISHED_BYTES / half.length);
  expect(await behave(daemon)).toEqual(SERVED);
  expect(await expectBalance(daemon)).toBe(0);
});

test("50 that ask for as much as they can get, one of them without end, and never read it", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const { ingest, query } = daemon.sockets;
  const notes = "x".repeat(50_000);
  await send(ingest, [
    lines(...Array.from({ length: 200 }, (_, n) => taskLine({ id: `${n}`, data: { notes } }))),
  ]);
  const start = memory(daemon).now;
  const crowd = await Promise.all(Array.from({ length: 49 }, () => open(query)));
  const greedy = await open(query);
  const question = "GET /v1/patterns?limit=10000 HTTP/1.1\r\nHost: patternd\r\n\r\n";
  const answers = crowd.map((socket) => once(socket, "readable"));
  greedy.write(question.repeat(500));
  for (const socket of crowd) socket.write(question);
  // No more than four are answered while nobody reads.
  let answered = 0;
  await new Promise<void>((resolve) => {
    for (const answer of answers)
      answer.then(() => {
        answered += 1;
        if (answered === 4) resolve();
      });
  });
  expect(await behave(daemon)).toEqual(SERVED);
  // Node.js 22 and later free later what was read of the store.
  const held = 4 * PAGE_BYTES + crowd.length * (PIECE_BYTES + PIECE_BYTES / 2);
  expect(memory(daemon).peak).toBeLessThan(memoryBound(start, 2 * held));
});

test("40 that send bad lines, and never read what is said of them", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const start = memory(daemon).now;
  const crowd = await openMany(daemon, 40);
  for (const socket of crowd) socket.pause();
  await Promise.all(crowd.map((socket) => write(socket, `${HELLO}\n${"[]\n".repeat(5000)}`)));
  await daemon.event("reply.dropped");
  expect(await behave(daemon)).toEqual(SERVED);
  expect(memory(daemon).peak).toBeLessThan(memoryBound(start, QUEUE_BYTES + crowd.length * REPLY_BYTES));
  await until(daemon, ({ lines: { rejected } }) => rejected === crowd.length * 5000);
  for (const socket of crowd) socket.destroy();
  await until(daemon, ({ connections }) => connections === 0);
  expect(await expectBalance(daemon)).toBe(0);
});

test("lines that take six times their room where they are kept", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const start = memory(daemon).now;
  const crowd = await openMany(daemon, 8);
  for (const socket of crowd) socket.resume();
  const each = 150;
  const bad = Buffer.from(`${HELLO}\n${`${"\u0001".repeat(60_000)}\n`.repeat(each)}`);
  await Promise.all(crowd.map((socket) => write(socket, bad)));
  await until(daemon, ({ lines: { rejected } }) => rejected === crowd.length * each);
  // Two threads have them, each with garbage of its own: the one that parses, too.
  expect(memory(daemon).peak).toBeLessThan(memoryBound(memoryBound(start, QUEUE_BYTES), QUEUE_BYTES));
}, 60_000);

test("a flood of bad lines from all sides holds no more than the queue may, and is few lines of log", async () => {
  const queue = { maxBytes: MIB };
  const daemon = await new Home().start({ backend: "filesystem", config: { queue } });
  const began = performance.now();
  const crowd = await openMany(daemon, 16);
  const each = 8_000;
  const answers = crowd.map((socket) => text(socket));
  const flooding = Promise.all(crowd.map((socket) => write(socket, "1\n".repeat(each))));
  const good = behave(daemon);
  let isOver = false;
  const over = Promise.all([flooding, good]).then(() => {
    isOver = true;
  });
  // A line counts as 400 bytes and its own; one chunk of 64 KiB may come on top.
  const most = queue.maxBytes / 401 + (64 * 1024) / 2;
  while (!isOver) expect(await expectBalance(daemon)).toBeLessThan(most);
  await over;
  expect(await good).toEqual(SERVED);
  for (const socket of crowd) socket.end();
  for (const answer of answers) expect(readReplies(await answer).receipt.rejected).toBe(each);
  expect(await expectBalance(daemon)).toBe(0);
  expect((await askHealth(daemon.sockets.query)).lines.rejected).toBe(crowd.length * each);
  expect(await daemon.stop()).toBe(0);
  // One at once, one for each ten seconds, one at the end.
  const mostLogged = 2 + Math.ceil((performance.now() - began) / 10_000);
  expect(countOf(daemon.log, "pattern.rejected").lines).toBeLessThanOrEqual(mostLogged);
  expect(countOf(daemon.log, "pattern.rejected").counted).toBe(crowd.length * each);
});

/** Connects as often as it is told, says how many stay, and holds them until its standard input ends. */
const CROWD = `
import resource, select, socket, sys
count = int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
poll = select.epoll()
held = {}
for _ in range(count):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    held[s.fileno()] = s
    poll.register(s, select.EPOLLIN | select.EPOLLRDHUP)
stay = int(sys.argv[3])
while len(held) > stay:
    for fd, _ in poll.poll():
        assert held[fd].recv(1) == b""
        poll.unregister(fd)
        held.pop(fd).close()
print(len(held), flush=True)
sys.stdin.read()
`;

/** Resolves when all but `stay` connections were closed by the daemon; the others stay until `leave`. */
async function crowdOf(socket: string, count: number, stay: number) {
  const child = spawn("python3", ["-c", CROWD, socket, `${count}`, `${stay}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const [held] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    once(child, "close").then(() => ["none: it failed"]),
  ]);
  const leave = async () => {
    child.stdin.end();
    await once(child, "close");
  };
  return { held: Number(held), leave };
}

function countOf(log: readonly LogLine[], event: string): { lines: number; counted: number } {
  const found = log.filter((line) => line.event === event);
  const counts = found.flatMap((line) => Object.values(line.counts ?? {}));
  return { lines: found.length, counted: counts.reduce((sum: number, count) => sum + Number(count), 0) };
}

test("10,000 connections: those over the limit are closed and counted, the others are served", async () => {
  const limit = 1024;
  const daemon = await new Home().start({ backend: "filesystem" });
  const start = memory(daemon).now;
  const began = performance.now();
  const early = await open(daemon.sockets.ingest);
  const replies = createInterface({ input: early })[Symbol.asyncIterator]();
  await write(early, `${HELLO}\n`);
  await replies.next();

  const { held, leave } = await crowdOf(daemon.sockets.ingest, 10_000, limit - 1);
  expect(held).toBe(limit - 1);
  await write(early, lines(taskLine()));
  expect((await replies.next()).value).toBe('{"ack":1}');
  await expect(behave(daemon)).rejects.toThrow();
  await leave();
  await until(daemon, ({ connections }) => connections === 1);
  expect(await behave(daemon)).toEqual(SERVED);
  expect(await expectBalance(daemon)).toBe(0);
  expect(memory(daemon).peak).toBeLessThan(memoryBound(start, 0));
  expect(await daemon.stop()).toBe(0);
  const refused = countOf(daemon.log, "connection.refused");
  expect(refused.counted).toBe(10_000 - held + 1);
  expect(refused.lines).toBeLessThanOrEqual(2 + Math.ceil((performance.now() - began) / 10_000));
}, 60_000);

test("a crowd leaves the store its files, however few the process may have open", async () => {
  const daemon = await new Home().start({ backend: "filesystem", openFiles: 200 });
  expect(await daemon.event("connection.limited")).toMatchObject({ maxConnections: 100 });
  const early = await open(daemon.sockets.ingest);
  const answer = text(early);
  const { leave } = await crowdOf(daemon.sockets.ingest, 300, 99);
  await write(early, lines(taskLine()));
  early.end();
  expect(readReplies(await answer).receipt.stored).toBe(1);
  expect(await askAll(daemon.sockets.query, 10)).toHaveLength(1);
  await leave();
  expect(await behave(daemon)).toEqual(SERVED);
  expect(await askHealth(daemon.sockets.query)).toMatchObject({ status: "ready" });
  expect(await expectBalance(daemon)).toBe(0);
  expect(await daemon.stop()).toBe(0);
});
