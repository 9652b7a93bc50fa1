/** The shipped units under a real systemd: installed, confined, restarted, watched, and tried by several users. */
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askAll, askHealth, lines, send, throwLine } from "../process/client.ts";
import { PROGRAM } from "../process/daemon.ts";
import { AckingSender, brokenPromises } from "../process/faults/ledger.ts";
import { faulty, type Plan } from "../process/faults/plan.ts";
import { newSeed, seeded, taskLine } from "../process/patterns.ts";
import { installed, Machine, whyNoMachine } from "./machine.ts";

/** `npm run test:restarts` makes it 200. */
const RESTARTS = Number(process.env.PATTERND_RESTARTS ?? 6);
/** So often, with a second before each, is looked for what nobody acknowledges before it counts as lost. */
const LOOKS = 20;
const why = whyNoMachine();
const hasLogrotate = spawnSync("logrotate", ["--version"]).error === undefined;
const UNIT = "patternd.service";
const CONFIG = "/etc/patternd/config.json";
/** Those who hang, hang while it is there. */
const STUCK = "/run/patternd/stuck";

describe.skipIf(why)(why ? `under systemd (skipped: ${why})` : "under systemd", () => {
  let machine: Machine;
  const socket = (name: string) => machine.inside(`/run/patternd/${name}.sock`);
  const patternd = (...words: string[]) => [process.execPath, installed(PROGRAM), ...words];
  const shown = (property: string) => machine.must("systemctl", "show", "-P", property, UNIT).trim();
  /** What takes it back. */
  const configure = (changes: object) => {
    const config = machine.must("cat", CONFIG);
    machine.write(CONFIG, JSON.stringify({ ...JSON.parse(config), ...changes }));
    return () => machine.write(CONFIG, config);
  };
  /** Until it is taken back, a service that is started does what the plan says. */
  const plan = (faults: Plan, ...settings: string[]) => {
    const environment = Object.entries(faulty(faults)).map(
      ([name, value]) => `Environment='${name}=${installed(value)}'`,
    );
    const dropIn = `/etc/systemd/system/${UNIT}.d/faults.conf`;
    machine.write(dropIn, ["[Service]", ...settings, ...environment, ""].join("\n"));
    machine.must("systemctl", "daemon-reload");
    return () => {
      machine.must("rm", dropIn);
      machine.must("systemctl", "daemon-reload");
    };
  };
  const journal = (...words: string[]) => machine.must("journalctl", "-u", UNIT, "-o", "cat", ...words);

  beforeAll(async () => {
    machine = await Machine.boot();
    machine.must(...patternd("install", "--system"));
  }, 90_000);
  afterAll(() => machine?.end());

  test("is ready when it serves, says its figures, and is confined", async () => {
    expect(shown("ActiveState")).toBe("active");
    expect(shown("StatusText")).toMatch(/^ready: 0 lines taken, 0 rejected, 0 connections$/);
    const { receipt } = await send(socket("ingest"), [lines(taskLine())]);
    expect(receipt.stored).toBe(1);
    expect(machine.must("stat", "-c", "%U:%G %a", "/run/patternd/ingest.sock")).toBe(
      "patternd:patternd-emit 660\n",
    );
    expect(machine.must("stat", "-c", "%U:%G %a", "/run/patternd/query.sock")).toBe(
      "patternd:patternd-read 660\n",
    );
    expect(machine.must("stat", "-c", "%U:%G %a", "/run/patternd/control.sock")).toBe("root:root 600\n");
    expect(machine.must("stat", "-c", "%U:%G %a", "/var/lib/patternd/patterns")).toBe(
      "patternd:patternd 700\n",
    );
  });

  test("a second installation changes nothing", () => {
    const said = machine.must(...patternd("install", "--system"));
    expect(said).not.toContain("written");
    expect(shown("ActiveState")).toBe("active");
  });

  test("who may emit, read and control is up to their groups", () => {
    const as = (uid: number, group: string, ...words: string[]) =>
      machine.run(
        "env",
        "HOME=/tmp/home",
        "setpriv",
        `--reuid=${uid}`,
        `--regid=${uid}`,
        `--groups=${group}`,
        "--",
        ...patternd(...words),
      );
    const group = (name: string) => machine.must("getent", "group", name).split(":")[2] ?? "";
    const [emitters, readers, nobody] = [group("patternd-emit"), group("patternd-read"), "65534"];
    const pattern = ["emit", "--json", "--type", "error_occurrence", "error_type=E", "error_message=m"];
    machine.must("mkdir", "-p", "-m", "0777", "/tmp/home");
    const receipts = [emitters, readers, nobody].map((own, index) =>
      as(2001 + index, own, ...pattern).stdout.includes('"stored":1'),
    );
    expect(receipts).toEqual([true, false, false]);
    const reads = [emitters, readers, nobody].map((own) => as(2001, own, "query", "--json").status);
    expect(reads.map((status) => status === 0)).toEqual([false, true, false]);
    const control = `${process.execPath} -e 'require("net").connect("/run/patternd/control.sock").on("error", (e) => { console.log(e.code); process.exit(1) }).on("connect", () => process.exit(0))'`;
    const orders = [emitters, readers, nobody].map(
      (own) =>
        machine.run("setpriv", "--reuid=2001", "--regid=2001", `--groups=${own}`, "sh", "-c", control).stdout,
    );
    expect(orders).toEqual(["EACCES\n", "EACCES\n", "EACCES\n"]);
    expect(machine.run("sh", "-c", control).status).toBe(0);
  });

  test("what emitters leave while it is stopped is taken in by the next start", async () => {
    machine.must(
      "systemctl",
      "stop",
      "patternd-ingest.socket",
      "patternd-query.socket",
      "patternd-control.socket",
      UNIT,
    );
    const id = randomUUID();
    const emitters = machine.must("getent", "group", "patternd-emit").split(":")[2] ?? "";
    const leave = patternd(
      "emit",
      "--type",
      "error_occurrence",
      "error_type=E",
      "error_message=m",
      "--id",
      id,
    );
    const left = machine.run(
      "env",
      "HOME=/tmp/home",
      "setpriv",
      "--reuid=2001",
      "--regid=2001",
      `--groups=${emitters}`,
      "--",
      ...leave,
    );
    expect([left.status, left.stderr]).toEqual([0, expect.stringContaining("waits in the outbox")]);
    machine.must("systemctl", "start", UNIT);
    while (!(await askAll(socket("query"), 100)).some((line) => line.includes(id))) await setTimeout(50);
    expect(machine.must("sh", "-c", "ls -A /var/spool/patternd/outbox")).toBe("");
  });

  test("a reload takes what can change, and keeps what it has when the file is bad", async () => {
    const takeBack = configure({ collect: { agent_usage: false } });
    machine.must("systemctl", "reload", UNIT);
    while (!journal().includes("config.reloaded")) await setTimeout(50);
    machine.write(CONFIG, "{");
    machine.must("systemctl", "reload", UNIT);
    while (!journal("-p", "err").includes("config.refused")) await setTimeout(50);
    expect(journal("-p", "err")).toContain("/etc/patternd/config.json: line 1");
    expect(journal("-p", "warning")).not.toContain("config.reloaded");
    takeBack();
    machine.must("systemctl", "reload", UNIT);
    expect(shown("ActiveState")).toMatch(/^active|reloading$/);
  });

  test(
    `${RESTARTS} restarts under load lose nothing that was acknowledged, and refuse nobody`,
    async () => {
      // Who sends without a pause is read for that long at each stop.
      configure({ shutdown: { timeoutMs: 300 } });
      machine.must("systemctl", "reload", UNIT);
      const random = seeded(newSeed("restarts"));
      const senders = [0, 1].map((n) => new AckingSender(`acking-${n}`, random, "2026-06"));
      const thrown: string[] = [];
      const refused: unknown[] = [];
      const ending = new AbortController();
      setMaxListeners(0, ending.signal);
      const acking = senders.map(async (sender) => {
        while (!ending.signal.aborted) await sender.run(socket("ingest"), () => {}, ending.signal);
      });
      const throwing = (async () => {
        while (!ending.signal.aborted) {
          const id = `thrown-${thrown.length}`;
          await throwLine(socket("ingest"), taskLine({ id, tags: ["thrown"] })).catch((error) =>
            refused.push(error),
          );
          thrown.push(id);
          await setTimeout(5);
        }
      })();
      for (let restart = 0; restart < RESTARTS; restart += 1) {
        machine.run("systemctl", "reset-failed", UNIT);
        await machine.mustMeanwhile("systemctl", "restart", UNIT);
        await setTimeout(random() * 300);
      }
      ending.abort();
      await Promise.all([...acking, throwing]);
      expect(refused).toEqual([]);
      let lost: readonly string[] = thrown;
      // What was thrown last may still be on its way.
      for (let looks = 0; lost.length > 0 && looks < LOOKS; looks += 1) {
        await setTimeout(1_000);
        const arrived = await askAll(socket("query"), 10_000, "tags=thrown");
        const there = new Set(arrived.map((line) => JSON.parse(line).pattern_id));
        lost = thrown.filter((id) => !there.has(id));
      }
      expect(lost).toEqual([]);
      const stored = await askAll(socket("query"), 10_000);
      const acked = stored.filter((line) => line.includes('"acking-'));
      expect(brokenPromises(senders, acked)).toEqual([]);
      const promised = senders.reduce((sum, sender) => sum + sender.promised, 0);
      console.log(
        `${RESTARTS} restarts: ${promised} patterns acknowledged, ${thrown.length} thrown, none lost`,
      );
      expect(promised).toBeGreaterThan(0);
    },
    60_000 + RESTARTS * 10_000,
  );

  test("a store that is stuck is killed by the watchdog, one that fails is not", async () => {
    const takeBack = plan({ point: "(fsync|read) .ndjson$", while: STUCK, does: "hang" }, "WatchdogSec=2s");
    machine.run("systemctl", "reset-failed", UNIT);
    machine.must("systemctl", "restart", UNIT);
    const before = shown("NRestarts");
    await setTimeout(3_000);
    expect([shown("ActiveState"), shown("NRestarts")]).toEqual(["active", before]);
    machine.write(STUCK, "");
    const { receipt } = await send(socket("ingest"), [lines(taskLine({ id: "stuck" }))]);
    expect(receipt.stored).toBe(1);
    while (shown("NRestarts") === before) await setTimeout(100);
    machine.must("rm", "-f", STUCK);
    while (shown("ActiveState") !== "active") await setTimeout(100);
    // So is one that no longer answers questions, once nothing is left to be written.
    while ((await askHealth(socket("query"))).spool.lines > 0) await setTimeout(100);
    const again = shown("NRestarts");
    machine.write(STUCK, "");
    const answer = askAll(socket("query"), 10_000).catch(() => undefined);
    while (shown("NRestarts") === again) await setTimeout(100);
    machine.must("rm", "-f", STUCK);
    await answer;
    while (!(await askAll(socket("query"), 10_000)).some((line) => line.includes('"stuck"')))
      await setTimeout(100);
    expect((await askHealth(socket("query"))).status).toBe("ready");
    takeBack();
  }, 60_000);

  test("a stop that takes long asks for the time, and is not cut short", async () => {
    const takeBack = plan({ point: "fsync .ndjson$", while: STUCK, does: "hang" }, "TimeoutStopSec=1s");
    configure({ shutdown: { timeoutMs: 30_000 } });
    machine.must("systemctl", "restart", UNIT);
    machine.write(STUCK, "");
    const { receipt } = await send(socket("ingest"), [lines(taskLine({ id: "slow" }))]);
    expect(receipt.stored).toBe(1);
    const stopped = machine.mustMeanwhile("systemctl", "stop", UNIT);
    await setTimeout(5_000);
    machine.must("rm", "-f", STUCK);
    await stopped;
    expect(shown("Result")).toBe("success");
    takeBack();
    machine.must("systemctl", "start", UNIT);
  }, 60_000);

  test.skipIf(!hasLogrotate)(
    hasLogrotate
      ? "logrotate moves the log file away, and no line is missing"
      : "logrotate, which is not installed",
    () => {
      const file = "/var/log/patternd/patternd.log";
      const takeBack = configure({ log: { file } });
      machine.must("systemctl", "restart", UNIT);
      machine.must("mkdir", "-p", "/var/lib/logrotate");
      machine.must("logrotate", "--force", "/etc/logrotate.d/patternd");
      machine.must("systemctl", "restart", UNIT);
      const events = (path: string) =>
        machine
          .must("cat", path)
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line).event);
      expect(events(`${file}.1`)).toEqual(["store.opened", "daemon.started"]);
      const [first, ...others] = events(file);
      expect([first, others.at(-1)]).toEqual(["config.reloaded", "daemon.started"]);
      expect(machine.must("stat", "-c", "%U %a", file)).toBe("patternd 600\n");
      takeBack();
      machine.must("systemctl", "restart", UNIT);
    },
    60_000,
  );

  test("uninstalls, twice, and keeps the patterns", () => {
    machine.must(...patternd("uninstall", "--system"));
    expect(machine.must(...patternd("uninstall", "--system"))).not.toContain("removed");
    expect(machine.run("systemctl", "cat", UNIT).status).not.toBe(0);
    expect(machine.must("ls", "/var/lib/patternd")).toContain("patterns");
    expect(machine.must("sh", "-c", "ls /run/patternd 2>/dev/null || :")).toBe("");
  });
});
