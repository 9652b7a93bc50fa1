import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { ask, askAll, lines } from "./client.ts";
import { BACKENDS, Home, type LogLine } from "./daemon.ts";
import { difference, NONE, taskLines } from "./patterns.ts";

/** Sends its standard input over connections with so many lines each, and is gone, without reading. */
const PYTHON = `
import socket, sys
lines = sys.stdin.buffer.readlines()
each = int(sys.argv[2])
for start in range(0, len(lines), each):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(b"".join(lines[start:start + each]))
    s.close()
`;

function sendAndLeave(socket: string, content: readonly string[], linesEach: number): void {
  execFileSync("python3", ["-c", PYTHON, socket, String(linesEach)], { input: lines(...content) });
}

const GOOD = 10_000;

describe.each(BACKENDS)("%s", (backend) => {
  test("a sender that closes at once, after a bad line and 10,000 good ones, loses none of them", async () => {
    const home = new Home();
    const daemon = await home.start({ backend, config: { log: { level: "debug" } } });
    const good = taskLines(GOOD);
    sendAndLeave(daemon.sockets.ingest, ["not JSON", ...good], GOOD + 1);

    let flushed = 0;
    await daemon.event("flush.done", (line: LogLine) => {
      flushed += Number(line.lines);
      return flushed === GOOD + 1;
    });
    const { status, body } = await ask(daemon.sockets.control, "/v1/flush", "POST");
    expect(status).toBe(200);
    expect(JSON.parse(body).lines).toMatchObject({
      received: GOOD + 1,
      stored: GOOD,
      rejected: 1,
      in_flight: 0,
    });
    const stored = await askAll(daemon.sockets.query, 10_000);
    expect(difference(stored, good)).toEqual(NONE);
    expect(await daemon.stop()).toBe(0);
  }, 30_000);

  test("many of them at once, while the daemon is busy elsewhere, are all there after its stop", async () => {
    const home = new Home();
    const daemon = await home.start({ backend });
    // As a daemon that gets no time from the system: connections wait in the kernel, their senders are gone.
    daemon.signal("SIGSTOP");
    const good = taskLines(400);
    sendAndLeave(daemon.sockets.ingest, good, 20);
    daemon.signal("SIGTERM");
    expect(await daemon.stop("SIGCONT")).toBe(0);
    const { sockets } = await home.start({ backend });
    expect(difference(await askAll(sockets.query, 1000), good)).toEqual(NONE);
  });
});
