import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { ask, askAll, lines, send } from "./client.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

const modeOf = (path: string) => `0${(statSync(path).mode & 0o777).toString(8)}`;

describe.each(BACKENDS)("%s", (backend) => {
  test("each has its configured mode, and is gone after the stop with nothing left beside it", async () => {
    const home = new Home();
    const config = { ingest: { mode: "0662" }, query: { mode: "0640" } };
    const daemon = await home.start({ backend, config });
    const { ingest, query, control } = daemon.sockets;
    expect([ingest, query, control].map(modeOf)).toEqual(["0662", "0640", "0600"]);
    expect([ingest, query, control].every((path) => lstatSync(path).isSocket())).toBe(true);
    expect(readdirSync(home.runtime).toSorted()).toEqual(["control.sock", "ingest.sock", "query.sock"]);
    expect(await daemon.stop()).toBe(0);
    expect(readdirSync(home.runtime)).toEqual([]);
  });

  test("takes as many who wait while the daemon is busy as the kernel lets", async () => {
    const home = new Home();
    const { sockets, pid, exited } = await home.start({
      backend,
      config: { ingest: { maxConnections: 2000 } },
    });
    const most = Number(readFileSync("/proc/sys/net/core/somaxconn", "utf8"));
    const count = Math.min(most, 700);
    process.kill(pid, "SIGSTOP");
    const waiting = Array.from({ length: count }, () => connect(sockets.ingest));
    onTestFinished(() => {
      for (const socket of waiting) socket.destroy();
    });
    await Promise.all(waiting.map((socket) => once(socket, "connect")));
    const receipts = waiting.map((socket, at) => {
      socket.end(lines(taskLine({ id: `${at}` })));
      return text(socket);
    });
    process.kill(pid, "SIGCONT");
    for (const receipt of await Promise.all(receipts)) expect(JSON.parse(receipt).receipt.stored).toBe(1);
    process.kill(pid, "SIGTERM");
    expect(await exited).toBe(0);
  });

  test("everything that is written is for this user alone", async () => {
    const home = new Home();
    const { sockets } = await home.start({ backend });
    await send(sockets.ingest, [lines(taskLine(), "not JSON")]);
    for (const name of [".", ...readdirSync(home.state, { recursive: true, encoding: "utf8" })]) {
      const path = join(home.state, name);
      expect([name, modeOf(path)]).toEqual([name, statSync(path).isDirectory() ? "0700" : "0600"]);
    }
    expect(modeOf(home.runtime)).toBe("0700");
  });

  test("stale ones, which a kill -9 leaves, are replaced", async () => {
    const home = new Home();
    const first = await home.start({ backend });
    await first.stop("SIGKILL");
    expect(existsSync(first.sockets.ingest)).toBe(true);
    const { sockets } = await home.start({ backend });
    expect(sockets).toEqual(first.sockets);
    expect((await send(sockets.ingest, [lines(taskLine())])).receipt.stored).toBe(1);
    expect((await ask(sockets.control, "/health")).status).toBe(200);
  });

  test.each(["ingest", "query", "control"] as const)("a live %s socket is refused", async (name) => {
    const home = new Home();
    const first = await home.start({ backend });
    const socket = first.sockets[name];
    const second = new Home().launch({ backend, config: { [name]: { socket } } });
    expect(await second.event("daemon.failed")).toMatchObject({
      level: "error",
      code: "socket_in_use",
      error: expect.stringContaining(socket),
      hint: expect.any(String),
    });
    expect(await second.exited).toBe(1);
    expect((await send(first.sockets.ingest, [lines(taskLine())])).receipt.stored).toBe(1);
    expect(await askAll(first.sockets.query, 10)).toHaveLength(1);
    expect(await first.stop()).toBe(0);
  });

  test("a second daemon on the same store is refused, and the first one goes on", async () => {
    const home = new Home();
    const first = await home.start({ backend });
    const other = new Home();
    const second = home.launch({ backend, env: { XDG_RUNTIME_DIR: other.runtime } });
    const failed = await second.event("daemon.failed");
    expect(failed).toMatchObject({ level: "error", code: "store_locked" });
    expect(failed.error).toMatch(/held by patternd .*pid \d+/);
    expect(await second.exited).toBe(1);
    expect(existsSync(join(other.runtime, "patternd/ingest.sock"))).toBe(false);
    expect((await send(first.sockets.ingest, [lines(taskLine())])).receipt.stored).toBe(1);
  });

  test("a file that is no socket is refused and left as it is", async () => {
    const home = new Home();
    const file = join(home.folder, "precious");
    writeFileSync(file, "precious");
    const daemon = home.launch({ backend, config: { ingest: { socket: file } } });
    expect(await daemon.event("daemon.failed")).toMatchObject({ code: "socket_unusable" });
    expect(await daemon.exited).toBe(1);
    expect(readFileSync(file, "utf8")).toBe("precious");
    expect(readdirSync(home.runtime)).toEqual([]);
  });

  test("one that somebody else has put in its place is not removed", async () => {
    const home = new Home();
    const daemon = await home.start({ backend });
    unlinkSync(daemon.sockets.ingest);
    const other = createServer().listen(daemon.sockets.ingest);
    await once(other, "listening");
    onTestFinished(() => {
      other.close();
    });
    expect(await daemon.stop()).toBe(0);
    expect(readdirSync(home.runtime)).toEqual(["ingest.sock"]);
  });
});
