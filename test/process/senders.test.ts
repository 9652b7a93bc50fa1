/** Senders never stall, whatever the daemon does: each ends in its time, with its status, and what it was promised is there. */
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { sendLines } from "../../src/client/ingest.ts";
import { errorLine } from "../cli-world.ts";
import { ask, askAll, lines, send } from "./client.ts";
import { expectBalance, open } from "./crowd.ts";
import { type Daemon, Home, hasOwnDisks, PROGRAM } from "./daemon.ts";
import { difference, NONE } from "./patterns.ts";

/** `emit` promises one second of waiting; the rest is for Node to start, several at once, on a busy machine. */
const EMIT_MS = 1_000 + 4_000;
/** As docs/protocol.md has it: two seconds for each of its three waits. */
const SOCAT_MS = 2_000 + 3_000;

const hasSocat = spawnSync("socat", ["-V"]).error === undefined;
const socat = (socket: string) => ["socat", "-t2", "-T2", "-", `UNIX-CONNECT:${socket},connect-timeout=2`];

/** Lines that lack nothing: emit sends them as they are. */
const wholeLine = () => errorLine(randomUUID(), "2026-05-01T10:00:00Z");
const wholeLines = (count: number) => Array.from({ length: count }, wholeLine);

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

async function run([program = "", ...parameters]: string[], input: Buffer, env: object): Promise<Ended> {
  const began = performance.now();
  const child = spawn(program, parameters, { env: { ...process.env, ...env }, stdio: "pipe" });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  // Who gives up does not read the rest.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { status: child.exitCode, stdout, stderr, ms: performance.now() - began };
}

const emit = (home: Home, input: Buffer, flags: string[] = [], env: object = {}) =>
  run([process.execPath, PROGRAM, "emit", ...flags], input, { ...home.env, ...env });

/** What waits in the outbox. */
function left(home: Home): string[] {
  const outbox = join(home.state, "outbox");
  const files = readdirSync(outbox).filter((name) => name.endsWith(".ndjson"));
  return files.flatMap((name) => readFileSync(join(outbox, name), "utf8").trimEnd().split("\n"));
}

async function settle(daemon: Daemon): Promise<void> {
  expect((await ask(daemon.sockets.control, "/v1/flush", "POST")).status).toBe(200);
}

async function taken(daemon: Daemon, count: number): Promise<void> {
  let seen = 0;
  await daemon.event("outbox.taken", ({ lines: some }) => {
    seen += Number(some);
    return seen >= count;
  });
}

/** More than the kernel holds for a reader that does not read. */
const MANY = 4_000;

describe("a daemon that is stopped (SIGSTOP)", () => {
  test("costs emit a second at most, and everything is there afterwards", async () => {
    const home = new Home();
    const daemon = await home.start({ backend: "filesystem" });
    daemon.signal("SIGSTOP");
    const waited = wholeLines(1);
    const hooked = wholeLines(1);
    const unwaited = wholeLines(1);
    const many = wholeLines(MANY);
    const manyUnwaited = wholeLines(MANY);
    const ended = [
      await emit(home, lines(...waited)),
      await emit(home, lines(...hooked), ["--hook"]),
      await emit(home, lines(...unwaited), ["--no-wait"]),
      await emit(home, lines(...many)),
      await emit(home, lines(...manyUnwaited), ["--no-wait"]),
    ];
    expect(ended.map(({ status }) => status)).toEqual([0, 0, 0, 0, 0]);
    expect(Math.max(...ended.map(({ ms }) => ms))).toBeLessThan(EMIT_MS);
    const bytes = lines(wholeLine());
    const options = { timeoutMs: 200, awaitReceipt: true };
    const began = performance.now();
    const delivery = await sendLines(daemon.sockets.ingest, { bytes, lines: 1 }, options);
    expect(delivery).toEqual({ kind: "unsettled", reason: expect.stringContaining("within 200 ms") });
    expect(performance.now() - began).toBeLessThan(2_000);
    // What the kernel took from --no-wait is on its way, and needs no second copy.
    const waiting = left(home);
    const sent = [...waited, ...hooked, ...many];
    expect(difference(waiting, sent).missing).toBe(0);
    daemon.signal("SIGCONT");
    await taken(daemon, waiting.length);
    expect(await expectBalance(daemon)).toBe(0);
    expect(await daemon.stop()).toBe(0);
    const { sockets } = await home.start({ backend: "filesystem" });
    const stored = await askAll(sockets.query, 10_000);
    const all = [...sent, ...unwaited, ...manyUnwaited, bytes.toString().trimEnd()];
    expect(difference(stored, all)).toEqual(NONE);
  }, 40_000);

  test.skipIf(!hasSocat)("costs socat two seconds; what the kernel took is there afterwards", async () => {
    const home = new Home();
    const daemon = await home.start({ backend: "filesystem" });
    daemon.signal("SIGSTOP");
    const one = wholeLine();
    const [small, large] = await Promise.all([
      run(socat(daemon.sockets.ingest), lines(one), {}),
      run(socat(daemon.sockets.ingest), lines(...wholeLines(MANY)), {}),
    ]);
    for (const { ms, stdout } of [small, large]) {
      expect(ms).toBeLessThan(SOCAT_MS);
      expect(stdout).toBe("");
    }
    daemon.signal("SIGCONT");
    // A receipt would have said it; without one it may be so, and is, since the kernel had all of it.
    const { receipt } = await send(daemon.sockets.ingest, [lines(one)]);
    expect(receipt.stored).toBe(1);
    expect(await daemon.stop()).toBe(0);
    expect(await daemon.event("daemon.stopped")).toMatchObject({ superseded: 1, abandoned: 0 });
  });

  test("and has as many waiting as the kernel lets wait turns emit to the outbox at once", async () => {
    const home = new Home();
    const daemon = await home.start({ backend: "filesystem" });
    daemon.signal("SIGSTOP");
    for (let isFull = false; !isFull; ) {
      isFull = await open(daemon.sockets.ingest).then(
        () => false,
        (error) => error.code === "EAGAIN",
      );
    }
    const line = wholeLine();
    const { status, stderr, ms } = await emit(home, lines(line));
    expect([status, stderr]).toEqual([0, expect.stringContaining("1 pattern waits in the outbox")]);
    expect(ms).toBeLessThan(EMIT_MS);
    if (hasSocat) {
      const refused = await run(socat(daemon.sockets.ingest), lines(wholeLine()), {});
      expect(refused.status).toBe(1);
      expect(refused.ms).toBeLessThan(SOCAT_MS);
    }
    daemon.signal("SIGCONT");
    await taken(daemon, 1);
    expect(await askAll(daemon.sockets.query, 10)).toEqual([line]);
  });
});

/** Whether a small disk can be mounted for one process. */

describe("a full disk", () => {
  test.skipIf(!hasOwnDisks)(
    hasOwnDisks ? "is an error at once, and all is taken when it has room" : "(can't mount a tmpfs here)",
    async () => {
      const home = new Home();
      mkdirSync(home.state, { recursive: true });
      const daemon = await home.start({
        backend: "filesystem",
        disk: { path: home.state, bytes: 1_048_576 },
      });
      // The daemon's own view of the disk, which nobody else sees.
      const state = `/proc/${daemon.pid}/root${home.state}`;
      const env = { XDG_STATE_HOME: join(state, "..") };
      const { receipt } = await send(daemon.sockets.ingest, [lines(wholeLine())]);
      expect(receipt.stored).toBe(1);
      const ballast = join(state, "ballast");
      fill(ballast);

      const acked: string[] = [];
      const ended: Ended[] = [];
      // The first ones may still fit into what the last block of a file has left.
      for (let blocked = false; !blocked; ) {
        const line = wholeLine();
        const emitted = await emit(home, lines(line), ["--json"], env);
        ended.push(emitted);
        if (emitted.status === 0) acked.push(line);
        blocked = emitted.status !== 0;
      }
      const last = ended.at(-1);
      expect([last?.status, last?.stderr]).toEqual([1, expect.stringMatching(/can't be written: ENOSPC/)]);
      const unwaited = await emit(home, lines(wholeLine()), ["--no-wait"], env);
      const hooked = await emit(home, lines(wholeLine()), ["--hook"], env);
      expect(hooked.status).toBe(0);
      ended.push(unwaited, hooked);
      expect(Math.max(...ended.map(({ ms }) => ms))).toBeLessThan(EMIT_MS);
      if (hasSocat) {
        const closed = await run(socat(daemon.sockets.ingest), lines(wholeLine()), {});
        expect(closed.stdout).toBe("");
        expect(closed.ms).toBeLessThan(SOCAT_MS);
      }
      await expectBalance(daemon);

      writeFileSync(ballast, "");
      await daemon.event("spool.unblocked");
      await settle(daemon);
      const stored = new Set(await askAll(daemon.sockets.query, 1000));
      expect(acked.filter((line) => !stored.has(line))).toEqual([]);
      const after = await emit(home, lines(wholeLine()), ["--json"], env);
      expect(after.stdout).toContain('"stored":1');
      expect(await expectBalance(daemon)).toBe(0);
    },
    60_000,
  );
});

/** Until nothing more fits. */
function fill(path: string): void {
  const piece = Buffer.alloc(4096, "x");
  try {
    for (;;) writeFileSync(path, piece, { flag: "a" });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
}

test("a daemon that crashes again and again costs emit no more, and everything is there afterwards", async () => {
  const home = new Home();
  const promised: string[] = [];
  let crashes = 0;
  const crashing = (async () => {
    for (; crashes < 6; crashes += 1) {
      const daemon = home.launch({ backend: "filesystem", config: { log: { level: "debug" } } });
      // Now before it serves, now when it has just taken something in.
      if (crashes % 2 === 1) await daemon.event("flush.done");
      await daemon.stop("SIGKILL");
    }
  })();
  const sender = async (flags: string[]) => {
    while (crashes < 6) {
      const batch = wholeLines(10);
      const { status, ms } = await emit(home, lines(...batch), flags);
      expect([status, ms < EMIT_MS]).toEqual([0, true]);
      if (!flags.includes("--no-wait")) promised.push(...batch);
    }
  };
  await Promise.all([crashing, sender([]), sender(["--hook"]), sender(["--no-wait"])]);
  const daemon = await home.start({ backend: "filesystem" });
  const waiting = left(home).length;
  if (waiting > 0) await taken(daemon, waiting);
  await settle(daemon);
  const found = difference(await askAll(daemon.sockets.query, 1000), promised);
  expect([found.missing, found.twice]).toEqual([0, 0]);
  expect(await expectBalance(daemon)).toBe(0);
}, 60_000);
