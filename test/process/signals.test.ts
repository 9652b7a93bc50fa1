import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { askAll, lines, readReplies } from "./client.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { difference, NONE, taskLine, taskLines } from "./patterns.ts";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;
/** Longer than any test may take: whoever waits for this fails. */
const config = { shutdown: { timeoutMs: 600_000 } };

/** After so long without a byte, a sender counts as finished while the daemon stops. */
const SILENCE_MS = 50;

/** Sends its standard input line by line with little pauses, then half-closes and prints the answer. */
const STEADY_SENDER = `
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
for line in sys.stdin.buffer:
    s.sendall(line)
    time.sleep(0.002)
s.shutdown(socket.SHUT_WR)
print("all is sent", file=sys.stderr, flush=True)
while chunk := s.recv(65536):
    sys.stdout.buffer.write(chunk)
`;

/** A connection that stays open; resolves when the kernel has all of the content. */
async function hold(path: string, content: string | Uint8Array): Promise<Socket> {
  const socket = connect(path);
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, "connect");
  await new Promise((resolve) => socket.write(content, resolve));
  return socket;
}

describe.each(BACKENDS)("%s", (backend) => {
  test.each(SIGNALS)(
    "%s: what was just sent is stored and answered, an unterminated tail is not",
    async (signal) => {
      const home = new Home();
      const daemon = await home.start({ backend, config });
      const whole = taskLines(200);
      const tail = taskLine({ id: "tail" });
      const socket = await hold(daemon.sockets.ingest, Buffer.concat([lines(...whole), Buffer.from(tail)]));
      const silent = await hold(daemon.sockets.ingest, "");
      const answers = [text(socket), text(silent)];
      expect(await daemon.stop(signal)).toBe(0);

      const [said, nothing] = (await Promise.all(answers)).map(readReplies);
      expect(said?.receipt).toEqual({ lines: 200, stored: 200, rejected: 0, not_collected: 0 });
      expect(nothing?.receipt).toEqual({ lines: 0, stored: 0, rejected: 0, not_collected: 0 });
      expect(await daemon.event("daemon.stopping")).toMatchObject({ reason: signal });
      expect(await daemon.event("daemon.stopped")).toMatchObject({
        received: 200,
        stored: 200,
        abandoned: 0,
      });
      const again = await home.start({ backend });
      expect(difference(await askAll(again.sockets.query, 1000), whole)).toEqual(NONE);
    },
  );

  test("a sender that goes on is read to its end, even when the machine keeps the daemon waiting", async () => {
    const home = new Home();
    const daemon = await home.start({ backend, config: { ...config, log: { level: "debug" } } });
    const good = taskLines(250);
    const sender = spawn("python3", ["-c", STEADY_SENDER, daemon.sockets.ingest], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    sender.stdin.end(lines(...good));
    // From the start: at its end, a process's output that nobody reads is thrown away.
    const answer = text(sender.stdout);
    let isSent = false;
    const sent = once(sender.stderr, "data").then(() => {
      isSent = true;
    });
    await daemon.event("flush.done");
    daemon.signal("SIGTERM");
    await daemon.event("daemon.stopping");
    // Until the sender is done: how fast it gets on itself, on a busy machine, does not matter.
    while (!isSent) {
      daemon.signal("SIGSTOP");
      await Promise.race([sent, setTimeout(4 * SILENCE_MS)]);
      daemon.signal("SIGCONT");
      await setTimeout(SILENCE_MS / 2);
    }
    const { receipt } = readReplies(await answer);
    expect(receipt).toEqual({ lines: 250, stored: 250, rejected: 0, not_collected: 0 });
    expect(await daemon.exited).toBe(0);
    const again = await home.start({ backend });
    expect(difference(await askAll(again.sockets.query, 1000), good)).toEqual(NONE);
  });

  test("a second signal exits at once, with a failure", async () => {
    const home = new Home();
    const daemon = await home.start({ backend, config });
    await holdUpTheQueue(home, daemon.sockets.ingest);
    daemon.signal("SIGTERM");
    await daemon.event("daemon.stopping");
    const status = await daemon.stop("SIGTERM");
    expect(status).not.toBe(0);
  });

  test("what can't be settled in time is abandoned, said so, and exits with a failure", async () => {
    const home = new Home();
    const daemon = await home.start({ backend, config: { shutdown: { timeoutMs: 200 } } });
    await holdUpTheQueue(home, daemon.sockets.ingest);
    expect(await daemon.stop()).toBe(1);
    expect(await daemon.event("daemon.stopped")).toMatchObject({ level: "error", received: 1, abandoned: 1 });
  }, 10_000);
});

/** A rejected line that can't be kept, since a file is in the folder's place: it stays on its way. */
async function holdUpTheQueue(home: Home, ingest: string): Promise<void> {
  writeFileSync(join(home.state, "rejected"), "");
  await hold(ingest, "not JSON\n");
}
