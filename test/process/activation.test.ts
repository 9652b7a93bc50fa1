/** Sockets that are handed over: they outlive the daemon, and what is sent meanwhile waits in them. */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Activated } from "./activated.ts";
import { ask, askAll, lines, send } from "./client.ts";
import { BACKENDS, Home, PROGRAM } from "./daemon.ts";
import { difference, NONE, taskLines } from "./patterns.ts";

describe.each(BACKENDS)("%s", (backend) => {
  test("sockets count by their names, and stay what and where they are", async () => {
    const home = new Home();
    const own = { socket: `${home.folder}/not-used.sock` };
    const activated = new Activated(home, { config: { backend, ingest: own, query: own, control: own } });
    await activated.event("holder.ready");
    const before = Object.values(activated.sockets).map((path) => statSync(path).ino);
    const waiting = taskLines(20);
    // Connected and written to before anybody is there to accept.
    const sent = send(activated.sockets.ingest, [lines(...waiting)]);
    activated.start();
    expect((await sent).receipt.stored).toBe(20);
    expect(await activated.event("daemon.started")).toMatchObject({
      ingest: "descriptor 4",
      query: "descriptor 5",
      control: "descriptor 3",
    });
    expect((await ask(activated.sockets.query, "/v1/flush", "POST")).status).toBe(405);
    expect((await ask(activated.sockets.control, "/v1/flush", "POST")).status).toBe(200);

    activated.signal("SIGTERM");
    expect(await activated.event("holder.ended")).toMatchObject({ status: 0 });
    const meanwhile = taskLines(20);
    const next = send(activated.sockets.ingest, [lines(...meanwhile)]);
    activated.start();
    expect((await next).receipt.stored).toBe(20);
    expect(Object.values(activated.sockets).map((path) => statSync(path).ino)).toEqual(before);
    const stored = await askAll(activated.sockets.query, 100);
    expect(difference(stored, [...waiting, ...meanwhile])).toEqual(NONE);
  });
});

test("a sender that goes on while the daemon is stopped again and again loses nothing that was acknowledged", async () => {
  const home = new Home();
  const activated = new Activated(home);
  await activated.event("holder.ready");
  const restarts = 5;
  for (let start = 0; start <= restarts; start += 1) activated.start();
  const stored: string[] = [];
  let isOver = false;
  const sending = async () => {
    while (!isOver) {
      const batch = taskLines(3);
      const { receipt } = await send(activated.sockets.ingest, [lines(...batch)]);
      expect(receipt.stored).toBe(3);
      stored.push(...batch);
    }
  };
  const senders = [sending(), sending(), sending()];
  for (let restart = 1; restart <= restarts; restart += 1) {
    await activated.event("daemon.started", restart);
    const before = stored.length;
    while (stored.length < before + 9)
      await Promise.race([senders[0], new Promise((done) => setTimeout(done, 5))]);
    activated.signal("SIGTERM");
    expect(await activated.event("holder.ended", restart)).toMatchObject({ status: 0 });
  }
  isOver = true;
  await Promise.all(senders);
  expect(difference(await askAll(activated.sockets.query, 1_000), stored)).toEqual(NONE);
});

test.each([
  [
    "an unknown name",
    ["ingest", "patternd-query.socket"],
    /expected sockets named ingest, query, control, got "patternd-query.socket"/,
  ],
  ["a name twice", ["ingest", "ingest"], /expected one socket named ingest, got another/],
])("%s is refused", async (_, names, message) => {
  const home = new Home();
  const activated = new Activated(home, { names });
  activated.start();
  expect(await activated.event("holder.ended")).toMatchObject({ status: 1 });
  expect(activated.errors).toMatch(message);
  expect(activated.errors).toContain("FileDescriptorName=");
});

test("what was handed to another process is left alone", async () => {
  const home = new Home();
  const env = { LISTEN_PID: "1", LISTEN_FDS: "1", LISTEN_FDNAMES: "nothing of ours" };
  const daemon = await home.start({ backend: "filesystem", env });
  expect(daemon.sockets.ingest).toBe(`${home.runtime}/ingest.sock`);
});

/** With a timeout, as docs/protocol.md advises; prints what became of it. */
const PLAIN_SENDER = `
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(1)
try:
    s.connect(sys.argv[1])
    s.sendall(sys.stdin.buffer.read())
    s.shutdown(socket.SHUT_WR)
    print("answered" if s.recv(65536) else "closed")
except OSError as error:
    print("gave up:", error)
`;

function ended(
  program: string,
  words: string[],
  input: string,
  env: NodeJS.ProcessEnv,
): Promise<{ status: number | null; said: string; ms: number }> {
  const began = performance.now();
  const child = spawn(program, words, { env, stdio: "pipe" });
  child.stdin.end(input);
  let said = "";
  child.stdout.on("data", (chunk) => {
    said += chunk;
  });
  return new Promise((resolve) =>
    child.once("close", (status) => resolve({ status, said, ms: performance.now() - began })),
  );
}

test.each([1, 128])(
  "a daemon that only crashes stalls no sender, with a backlog of %d",
  async (backlog) => {
    const home = new Home();
    const crashes = join(home.folder, "crashes");
    mkdirSync(home.folder, { recursive: true });
    // Crashes, without ever accepting anybody, until it is let go.
    const script = `[ -e ${crashes} ] && sleep 0.1 && exit 1; exec "$@"`;
    writeFileSync(crashes, "");
    const config = join(home.folder, "activated.json");
    const daemon = [process.execPath, PROGRAM, "start", "--config", config];
    const activated = new Activated(home, { backlog, program: ["sh", "-c", script, "sh", ...daemon] });
    await activated.event("holder.ready");
    for (let start = 0; start < 400; start += 1) activated.start();
    const emitted = taskLines(4);
    const plain = taskLines(4);
    const emits = emitted.map((line) => ended(process.execPath, [PROGRAM, "emit"], `${line}\n`, home.env));
    const plains = plain.map((line) =>
      ended("python3", ["-c", PLAIN_SENDER, activated.sockets.ingest], `${line}\n`, home.env),
    );
    const over = await Promise.all([...emits, ...plains]);
    // A second, and the start of eight processes on a busy machine.
    expect(over.filter(({ ms }) => ms > 6_000)).toEqual([]);
    expect(over.map(({ status }) => status)).toEqual(over.map(() => 0));
    rmSync(crashes);
    await activated.event("daemon.started");
    // What emit left in the outbox, and what waited in the kernel where that had room.
    const promised = [...emitted, ...(backlog > emitted.length + plain.length ? plain : [])];
    let missing = promised.length;
    // emit fills in what a line lacks: only its id stays.
    const ids = (all: readonly string[]) => all.map((line) => String(JSON.parse(line).pattern_id));
    while (missing > 0) {
      missing = difference(ids(await askAll(activated.sockets.query, 100)), ids(promised)).missing;
    }
  },
  40_000,
);
