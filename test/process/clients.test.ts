import { spawn, spawnSync } from "node:child_process";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { askAll, lines, readReplies, send } from "./client.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

const PYTHON = `
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
s.sendall(sys.stdin.buffer.read())
s.shutdown(socket.SHUT_WR)
while chunk := s.recv(65536):
    sys.stdout.buffer.write(chunk)
`;

/** As docs/protocol.md shows them: each sends standard input and prints what it is told. */
const CLIENTS: Readonly<Record<string, (socket: string) => readonly string[]>> = {
  socat: (socket) => ["-t2", "-T2", "-", `UNIX-CONNECT:${socket},connect-timeout=2`],
  nc: (socket) => ["-NU", "-w2", socket],
  python3: (socket) => ["-c", PYTHON, socket],
};

const isInstalled = (program: string) => spawnSync(program, ["-h"]).error === undefined;

describe.each(BACKENDS)("%s", (backend) => {
  const content = [taskLine(), "not JSON", taskLine()];

  for (const [program, parameters] of Object.entries(CLIENTS)) {
    const there = isInstalled(program);
    test.skipIf(!there)(there ? program : `${program}, which is not installed`, async () => {
      const { sockets } = await new Home().start({ backend });
      const child = spawn(program, parameters(sockets.ingest), { stdio: ["pipe", "pipe", "inherit"] });
      child.stdin.end(lines(...content));
      const { rejects, receipt } = readReplies(await text(child.stdout));
      expect(rejects).toMatchObject([{ line: 2, code: "invalid_json" }]);
      expect(receipt).toEqual({ lines: 3, stored: 2, rejected: 1, not_collected: 0 });
      expect(await askAll(sockets.query, 10)).toHaveLength(2);
    });
  }

  test("node:net", async () => {
    const { sockets } = await new Home().start({ backend });
    const { rejects, receipt } = await send(sockets.ingest, [lines(...content)]);
    expect(rejects).toMatchObject([{ line: 2, code: "invalid_json" }]);
    expect(receipt).toEqual({ lines: 3, stored: 2, rejected: 1, not_collected: 0 });
    expect(await askAll(sockets.query, 10)).toHaveLength(2);
  });

  test.each([
    ["", "x"],
    [" in bytes", `{"pattern_id":"${"한".repeat(60)}"}`],
  ])("what is said of rejections is bounded%s, and the receipt comes all the same", async (_, line) => {
    const daemon = await new Home().start({ backend });
    const { rejects, receipt } = await send(daemon.sockets.ingest, [`${line}\n`.repeat(5000)]);
    expect(receipt).toEqual({ lines: 5000, stored: 0, rejected: 5000, not_collected: 0 });
    const said = rejects.map((reject) => JSON.stringify({ reject }));
    expect(Buffer.byteLength(lines(...said))).toBeLessThanOrEqual(64 * 1024);
    expect(rejects.length).toBeGreaterThan(100);
    expect(rejects.map(({ line }) => line)).toEqual(rejects.map((_, index) => index + 1));
    await daemon.event("reply.dropped");
  });
});
