/** What emitters left while no daemon answered is taken in, once; anything else in the folder is not followed. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { SCRIPT, TASK } from "../shell-emitter.ts";
import { askHealth, askPattern, lines } from "./client.ts";
import { BACKENDS, Home, PROGRAM } from "./daemon.ts";
import { faulty } from "./faults/plan.ts";
import { taskLine, taskLines } from "./patterns.ts";

function emit(home: Home, id: string, env: Record<string, string> = {}): void {
  const command = [PROGRAM, "emit", "--id", id, ...TASK];
  execFileSync(process.execPath, command, { env: { ...home.env, ...env } });
}

for (const backend of BACKENDS) {
  test(`${backend}: left before the daemon starts, and while it runs`, async () => {
    const home = new Home();
    const outbox = join(home.state, "outbox");
    emit(home, "before");
    expect(readdirSync(outbox)).toHaveLength(1);
    const daemon = await home.start({ backend });
    await daemon.event("outbox.taken");
    expect(await askPattern(daemon.sockets.query, "before")).toBeDefined();
    writeFileSync(join(outbox, ".unfinished"), "");
    writeFileSync(
      join(outbox, ".0"),
      lines(taskLine({ id: "running" }), "[]", taskLine({ id: "running too" })),
    );
    // As emitters do it: renamed in when whole.
    renameSync(join(outbox, ".0"), join(outbox, "0.ndjson"));
    await daemon.event("outbox.taken", ({ lines: count }) => count === 3);
    expect(await askPattern(daemon.sockets.query, "running too")).toBeDefined();
    expect(readdirSync(outbox)).toEqual([".unfinished"]);
    expect((await askHealth(daemon.sockets.query)).lines).toMatchObject({
      received: 0,
      from_outbox: 4,
      stored: 3,
      rejected: 1,
    });
  });
}

test("links, FIFOs, folders and huge files are moved aside unread", async () => {
  const home = new Home();
  const outbox = join(home.state, "outbox");
  mkdirSync(outbox, { recursive: true, mode: 0o700 });
  const secret = join(home.folder, "secret");
  writeFileSync(secret, lines(taskLine({ id: "secret" })));
  symlinkSync(secret, join(outbox, "a-link.ndjson"));
  linkSync(secret, join(outbox, "b-hard-link.ndjson"));
  execFileSync("mkfifo", [join(outbox, "c-fifo.ndjson")]);
  mkdirSync(join(outbox, "d-folder.ndjson"));
  writeFileSync(join(outbox, "e-huge.ndjson"), "");
  truncateSync(join(outbox, "e-huge.ndjson"), 2_000_000);
  writeFileSync(join(outbox, "f-good.ndjson"), lines(taskLine({ id: "good" })));
  const daemon = await home.start({ backend: "filesystem", config: { outbox: { maxBytes: 1_000_000 } } });
  await daemon.event("outbox.taken");
  expect(await askPattern(daemon.sockets.query, "good")).toBeDefined();
  expect(await askPattern(daemon.sockets.query, "secret")).toBeUndefined();
  expect(readdirSync(outbox)).toEqual([".aside"]);
  expect(readdirSync(join(outbox, ".aside"))).toHaveLength(5);
  expect(daemon.log.filter(({ event }) => event === "outbox.refused")).toHaveLength(5);
});

test("an outbox that can't be read is said once, and the daemon is degraded until it can", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "filesystem" });
  const outbox = join(home.state, "outbox");
  renameSync(outbox, `${outbox}.away`);
  writeFileSync(outbox, "");
  expect(await daemon.event("outbox.failed")).toMatchObject({ level: "error", system: "ENOTDIR" });
  const { status, reasons } = await askHealth(daemon.sockets.query);
  expect([status, reasons]).toEqual(["degraded", [expect.stringContaining("the outbox can't be taken in")]]);
  rmSync(outbox);
  renameSync(`${outbox}.away`, outbox);
  while ((await askHealth(daemon.sockets.query)).status !== "ready") await setTimeout(20);
  expect(daemon.log.filter(({ event }) => event === "outbox.failed")).toHaveLength(1);
});

test("an outbox that was removed and made anew is watched again", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "filesystem" });
  const outbox = join(home.state, "outbox");
  rmSync(outbox, { recursive: true });
  await daemon.event("outbox.failed");
  const leave = (name: string, count: number) => {
    writeFileSync(join(outbox, `.${name}`), lines(...taskLines(count)));
    renameSync(join(outbox, `.${name}`), join(outbox, name));
  };
  mkdirSync(outbox, { mode: 0o700 });
  leave("0.ndjson", 1);
  await daemon.event("outbox.taken", ({ lines: count }) => count === 1);
  const before = Date.now();
  leave("1.ndjson", 2);
  await daemon.event("outbox.taken", ({ lines: count }) => count === 2);
  // The scan that took the first one comes every ten seconds.
  expect(Date.now() - before).toBeLessThan(5_000);
}, 30_000);

test("an outbox that can't be made keeps the daemon from starting, with a code of its own", async () => {
  const home = new Home();
  writeFileSync(join(home.folder, "in the way"), "");
  const path = join(home.folder, "in the way", "outbox");
  const daemon = home.launch({ backend: "filesystem", config: { outbox: { path } } });
  expect(await daemon.exited).toBe(1);
  expect(daemon.log.find(({ event }) => event === "daemon.failed")).toMatchObject({
    code: "outbox_unusable",
    error: expect.stringContaining(path),
  });
});

test("what killed emitters left unfinished is removed after an hour", async () => {
  const home = new Home();
  const outbox = join(home.state, "outbox");
  const unfinished = () => readdirSync(outbox).map((name) => join(outbox, name));
  const kill = faulty({ point: "^rename outbox$", nth: 1, does: "kill before" });
  expect(() => emit(home, "killed", kill)).toThrow();
  const bin = join(home.folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "mv"), "#!/bin/sh\nkill -9 $PPID\n", { mode: 0o700 });
  const env = { ...home.env, PATH: `${bin}:${home.env.PATH}` };
  expect(spawnSync("sh", [SCRIPT, ...TASK], { env }).signal).toBe("SIGKILL");
  expect(unfinished()).toHaveLength(2);
  const before = Date.now() / 1000 - 3_600;
  for (const file of unfinished()) utimesSync(file, before, before);
  spawnSync("sh", [SCRIPT, ...TASK], { env });
  const daemon = await home.start({ backend: "filesystem" });
  const refused = () => daemon.log.filter(({ event }) => event === "outbox.refused");
  await daemon.event("outbox.refused", () => refused().length === 2);
  expect(refused()).toMatchObject([{ reason: expect.stringContaining("never finished") }, {}]);
  expect(unfinished()).toHaveLength(1);
});

test.each([
  ["opened", "open", "EMFILE", 0],
  ["read", "read", "EIO", 0],
  ["removed once it is stored", "remove", "EACCES", 2],
] as const)("a file that can't be %s stays, and is tried again", async (_, call, does, stored) => {
  const home = new Home();
  const flag = join(home.folder, "failing");
  writeFileSync(flag, "");
  const env = faulty({ point: `^${call} outbox$`, while: flag, does });
  const daemon = await home.start({ backend: "filesystem", env });
  const outbox = join(home.state, "outbox");
  const leave = (name: string, ...left: string[]) => {
    writeFileSync(join(outbox, `.${name}`), lines(...left));
    renameSync(join(outbox, `.${name}`), join(outbox, name));
  };
  leave("0.ndjson", taskLine({ id: "left" }), "[]");
  expect(await daemon.event("outbox.failed")).toMatchObject({ level: "error", system: does });
  expect(readdirSync(outbox)).toEqual(["0.ndjson"]);
  expect(await askHealth(daemon.sockets.query)).toMatchObject({
    status: "degraded",
    reasons: [expect.stringMatching(`^the outbox can't be taken in: ${does}`)],
    lines: { from_outbox: stored },
  });
  rmSync(flag);
  // Others are taken in meanwhile, without a new attempt at the one that failed.
  leave("1.ndjson", taskLine({ id: "later" }));
  await daemon.event("outbox.taken", ({ lines: count }) => count === 1);
  await daemon.event("outbox.taken", ({ lines: count }) => count === 2);
  expect(await askPattern(daemon.sockets.query, "left")).toBeDefined();
  while ((await askHealth(daemon.sockets.query)).status !== "ready") await setTimeout(20);
  expect((await askHealth(daemon.sockets.query)).lines).toMatchObject({ from_outbox: 3, rejected: 1 });
  expect(readdirSync(outbox)).toEqual([]);
  expect(daemon.log.filter(({ event }) => event === "outbox.failed")).toHaveLength(1);
  expect(daemon.log.filter(({ event }) => event === "outbox.refused")).toEqual([]);
});
