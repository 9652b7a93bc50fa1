/** What the daemon tells a service manager, what SIGHUP does, and where its log goes. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { lines, send } from "./client.ts";
import { type Daemon, Home, PROGRAM } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

const hasNotify = spawnSync("systemd-notify", ["--version"]).error === undefined;

/** Node has no datagram sockets. Closes the descriptor that comes with a barrier, which systemd-notify waits for. */
const LISTENER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while True:
    data, fds, _, _ = socket.recv_fds(s, 4096, 4)
    for fd in fds:
        os.close(fd)
    for line in data.decode().splitlines():
        print(line, flush=True)
`;

async function manager(home: Home) {
  const path = join(home.folder, "notify");
  const child = spawn("python3", ["-c", LISTENER, path], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const heard: string[] = [];
  const reader = createInterface({ input: child.stdout }).on("line", (line) => heard.push(line));
  await once(reader, "line");
  return {
    env: { NOTIFY_SOCKET: path },
    heard,
    async hears(form: RegExp, from = 0): Promise<number> {
      for (;;) {
        const found = heard.findIndex((line, index) => index >= from && form.test(line));
        if (found !== -1) return found;
        await once(reader, "line");
      }
    },
  };
}

function configOf(home: Home, config: object | string): void {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  writeFileSync(join(home.folder, "config-0.json"), text);
}

async function next(daemon: Daemon, event: string, nth: number) {
  let seen = 0;
  return daemon.event(event, () => {
    seen += 1;
    return seen === nth;
  });
}

test.skipIf(!hasNotify)("it says when it is ready, reloads, lives and stops, with figures", async () => {
  const home = new Home();
  const { env, heard, hears } = await manager(home);
  // Fed four times in an interval.
  const watchdog = { WATCHDOG_USEC: "1000000" };
  const daemon = await home.start({ backend: "filesystem", env: { ...env, ...watchdog } });
  const ready = await hears(/^READY=1$/);
  await hears(/^STATUS=ready: 0 lines taken, 0 rejected, 0 connections$/);
  await hears(/^WATCHDOG=1$/);
  await send(daemon.sockets.ingest, [lines(taskLine(), "nonsense")]);
  await hears(/^STATUS=ready: 2 lines taken, 1 rejected/);
  daemon.signal("SIGHUP");
  const reloading = await hears(/^RELOADING=1$/, ready + 1);
  await hears(/^MONOTONIC_USEC=\d+$/, reloading);
  await hears(/^READY=1$/, reloading);
  expect(await daemon.stop()).toBe(0);
  const stopping = await hears(/^STOPPING=1$/);
  await hears(/^EXTEND_TIMEOUT_USEC=10000000$/, stopping);
  expect(heard.indexOf("READY=1")).toBeGreaterThan(0);
});

test.skipIf(!hasNotify)("a watchdog of another process is none of its own", async () => {
  const home = new Home();
  const { env, heard, hears } = await manager(home);
  const watchdog = { WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" };
  const daemon = await home.start({ backend: "filesystem", env: { ...env, ...watchdog } });
  await hears(/^READY=1$/);
  expect(await daemon.stop()).toBe(0);
  await hears(/^STOPPING=1$/);
  expect(heard).not.toContain("WATCHDOG=1");
});

test("SIGHUP puts in effect what can be, names what needs a restart, and refuses a bad file whole", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "filesystem" });
  const usage = JSON.stringify({ ...JSON.parse(taskLine()), pattern_type: "visit", data: { page: "home" } });
  expect((await send(daemon.sockets.ingest, [lines(usage)])).receipt).toMatchObject({ rejected: 1 });

  const types = { visit: { required: { page: "string" } } };
  const collect = { task_completion: false };
  configOf(home, { backend: "sqlite", types, collect, queue: { maxBatch: 7 }, log: { level: "debug" } });
  daemon.signal("SIGHUP");
  expect(await daemon.event("config.reloaded")).toMatchObject({
    changed: ["collect", "log.level", "types"],
    // The other backend has its store in another file.
    restart: ["backend", "path", "queue.maxBatch"],
  });
  const { receipt } = await send(daemon.sockets.ingest, [lines(usage, taskLine())]);
  expect(receipt).toEqual({ lines: 2, stored: 1, rejected: 0, not_collected: 1 });
  await daemon.event("flush.done");

  configOf(home, { collect: { task_completion: true }, types: 7 });
  daemon.signal("SIGHUP");
  expect(await daemon.event("config.refused")).toMatchObject({
    level: "error",
    code: "config_invalid",
    error: expect.stringMatching(/config-0\.json: types: expected an object/),
  });
  const after = await send(daemon.sockets.ingest, [lines(usage, taskLine())]);
  expect(after.receipt).toMatchObject({ stored: 1, not_collected: 1 });

  // Many lines at once are parsed by threads, which know the new types too.
  configOf(home, {});
  daemon.signal("SIGHUP");
  await next(daemon, "config.reloaded", 2);
  const many = await send(daemon.sockets.ingest, [
    lines(...Array.from({ length: 200 }, () => taskLine()), usage),
  ]);
  expect(many.receipt).toMatchObject({ stored: 200, rejected: 1, not_collected: 0 });
  expect(await daemon.stop()).toBe(0);
});

test("a log file that was moved away is made anew, even if the configuration is bad by then", async () => {
  const home = new Home();
  const file = join(home.folder, "log", "patternd.log");
  const daemon = home.launch({ backend: "filesystem", config: { log: { file } } });
  const events = (path: string) =>
    existsSync(path)
      ? [...readFileSync(path, "utf8").matchAll(/"event":"([^"]+)"/g)].map(([, event]) => event)
      : [];
  const has = async (event: string, path = file) => {
    while (!events(path).includes(event)) await new Promise((done) => setTimeout(done, 10));
  };
  await has("daemon.started");
  renameSync(file, `${file}.1`);
  daemon.signal("SIGHUP");
  await has("config.reloaded");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  renameSync(file, `${file}.2`);
  configOf(home, "{");
  daemon.signal("SIGHUP");
  await has("config.refused");
  expect(await daemon.stop()).toBe(0);
  expect(events(file)).toEqual(["config.refused", "daemon.stopping", "daemon.stopped"]);
  expect(events(`${file}.2`)).toEqual(["config.reloaded"]);
  const { stdout } = spawnSync(process.execPath, [PROGRAM, "logs", file], {
    encoding: "utf8",
    env: home.env,
  });
  expect(stdout.split("\n")[2]).toMatch(
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ info {2}daemon\.stopped received=0 /,
  );
});

test("lines for the journal begin with their priority, others do not", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "filesystem", env: { JOURNAL_STREAM: "1:2" } });
  expect(await daemon.stop()).toBe(0);
  const file = join(home.folder, "journal");
  writeFileSync(file, "");
  const { dev, ino } = statSync(file, { bigint: true });
  const script = `JOURNAL_STREAM=${dev}:${ino} exec timeout 20 "$0" "$@" >> ${file}`;
  const child = spawn("sh", ["-c", script, process.execPath, PROGRAM, "start"], { env: home.env });
  const said = () => readFileSync(file, "utf8");
  while (!said().includes("daemon.started")) await new Promise((done) => setTimeout(done, 10));
  child.kill("SIGTERM");
  await once(child, "close");
  expect(said()).toMatch(/^<6>\{"level":"info","time":"[^"]+","event":"store\.opened"/);
  expect(
    said()
      .trimEnd()
      .split("\n")
      .every((line) => /^<[3-7]>\{/.test(line)),
  ).toBe(true);
});

test("a busy daemon sums up what it did, a quiet one does not", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "filesystem" });
  await send(daemon.sockets.ingest, [lines(taskLine(), taskLine(), "nonsense")]);
  expect(await daemon.stop()).toBe(0);
  expect(await daemon.event("flush.summary")).toMatchObject({ received: 3, stored: 2, rejected: 1 });
  const quiet = await home.start({ backend: "filesystem" });
  expect(await quiet.stop()).toBe(0);
  expect(quiet.log.map(({ event }) => event)).toEqual([
    "store.opened",
    "daemon.started",
    "daemon.stopping",
    "daemon.stopped",
  ]);
});
