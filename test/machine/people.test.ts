/** A system daemon as its people meet it, who are all other users than it. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/upkeep/clock.ts";
import { askAll, askHealth } from "../process/client.ts";
import { PROGRAM } from "../process/daemon.ts";
import { installed, Machine, whyNoMachine } from "./machine.ts";

const why = whyNoMachine();
const DOCUMENTATION = new URL("../../docs/metrics.md", import.meta.url);
const OPERATIONS = new URL("../../docs/operations.md", import.meta.url);
const CONFIG = "/etc/patternd/config.json";

describe.skipIf(why)(why ? `under systemd (skipped: ${why})` : "under systemd", () => {
  let machine: Machine;
  const patternd = (...words: string[]) => [process.execPath, installed(PROGRAM), ...words];
  const query = () => machine.inside("/run/patternd/query.sock");
  /** As a user of one group, with a home. */
  const as = (uid: number, group: string, ...command: string[]) => {
    const id = machine.must("getent", "group", group).split(":")[2] ?? "";
    const become = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, `--groups=${id}`, "--"];
    return machine.run("env", "HOME=/tmp/home", ...become, ...command);
  };

  beforeAll(async () => {
    machine = await Machine.boot();
    machine.must(...patternd("install", "--system"));
    machine.must("mkdir", "-p", "-m", "0777", "/tmp/home");
  }, 90_000);
  afterAll(() => machine?.end());

  test("what an emitter's hook leaves in the outbox is stored", async () => {
    const hook = ["sh", "/opt/patternd/bin/patternd-emit", "--type", "error_occurrence"];
    const left = as(2001, "patternd-emit", ...hook, "error_type=E", "error_message=from a hook");
    expect([left.status, left.stderr]).toEqual([0, ""]);
    while (!(await askAll(query(), 100)).some((line) => line.includes("from a hook"))) await setTimeout(50);
    expect(machine.must("sh", "-c", "ls -A /var/spool/patternd/outbox")).toBe("");
  });

  test("root finds nothing wrong, and copies and checks the daemon's store", () => {
    const { status, stdout } = machine.run(...patternd("doctor"));
    expect([status, stdout.split("\n").filter((line) => line.startsWith("!"))]).toEqual([0, []]);
    machine.must(...patternd("backup", "/tmp/copy"));
    expect(machine.must("sh", "-c", "cat $(find /tmp/copy -name '*.ndjson')")).toContain("from a hook");
    machine.must(...patternd("check-store"));
  });

  test("jobs run and analyses are made inside the sandbox", () => {
    expect(machine.must(...patternd("delete-old"))).toContain("0 patterns deleted");
    machine.must(...patternd("compress"));
    expect(machine.must(...patternd("analyze", "--json"))).toContain("error_occurrence");
  });

  test("without a daemon root is sent to the daemon's user, who works on the store as documented", async () => {
    const [, commands = ""] =
      /a deletion, say:\n\n```sh\n(.+?)```/s.exec(readFileSync(OPERATIONS, "utf8")) ?? [];
    const [stop = "", act = "", start = ""] = commands.split("\n");
    const asUser = act.replace("sudo -u patternd patternd", `runuser -u patternd -- ${patternd().join(" ")}`);
    expect(asUser).toContain(" delete-old ");
    const owners = () => machine.must("sh", "-c", "find /var/lib/patternd -printf '%u\\n' | sort -u");
    // Connections from before have to be seen to end.
    await machine.mustMeanwhile("sh", "-ec", stop);
    const asRoot = machine.run(...patternd("delete-old"));
    expect([asRoot.status, asRoot.stderr]).toEqual([
      1,
      expect.stringContaining("`sudo -u patternd patternd …`"),
    ]);
    expect(machine.must("sh", "-ec", asUser)).toContain("0 patterns deleted");
    machine.must(...patternd("stats"));
    expect(owners()).toBe("patternd\n");
    await machine.mustMeanwhile("sh", "-ec", start);
    expect((await askHealth(query())).status).toBe("ready");
  });

  test("a clock that jumped while the daemon was down is noticed inside the sandbox", async () => {
    const file = machine.inside("/var/lib/patternd/patterns/.upkeep.json");
    // Connections from before have to be seen to end.
    await machine.mustMeanwhile("systemctl", "stop", "--quiet", "patternd.service");
    const state = JSON.parse(readFileSync(file, "utf8"));
    expect(state.clock.boot).toBe(systemClock().boot);
    const now = state.clock.now - 3 * 86_400_000;
    writeFileSync(file, JSON.stringify({ ...state, clock: { ...state.clock, now } }));
    await machine.mustMeanwhile("systemctl", "start", "patternd.service");
    const { status, reasons } = await askHealth(query());
    expect([status, reasons]).toEqual([
      "degraded",
      [expect.stringMatching(/the clock says .* 3\.0 days more/)],
    ]);
    machine.must(...patternd("delete-old"));
    expect((await askHealth(query())).status).toBe("ready");
  });

  test("who may not ask is told so, and not that nobody is there", () => {
    const { stdout } = as(2001, "patternd-emit", ...patternd("doctor"));
    expect(stdout).toMatch(/!! {2}query socket: \/run\/patternd\/query\.sock has mode 0660 and belongs to/);
  });

  test("metrics are where another user's exporter looks for them, by what the documentation says", async () => {
    const [, commands = ""] = /as root:\n\n```sh\n(.+?)```/s.exec(readFileSync(DOCUMENTATION, "utf8")) ?? [];
    const file = "/var/lib/prometheus/node-exporter/patternd.prom";
    const config = machine.must("cat", CONFIG);
    machine.must("mkdir", "-p", dirname(file));
    machine.write(CONFIG, JSON.stringify({ ...JSON.parse(config), metrics: { textfile: file } }));
    machine.must("sh", "-ec", commands);
    expect(as(2001, "patternd-emit", "cat", file).stdout).toContain("patternd_ready 1\n");
    machine.write(CONFIG, config);
    machine.must("systemctl", "restart", "patternd");
    expect(machine.run("ls", file).status).not.toBe(0);
  });

  test("the log can be read when the configuration can't", async () => {
    const config = machine.must("cat", CONFIG);
    machine.write(CONFIG, "{");
    machine.must("systemctl", "reload", "patternd.service");
    let said = machine.run(...patternd("logs"));
    while (!said.stdout.includes("config.refused")) {
      await setTimeout(50);
      said = machine.run(...patternd("logs"));
    }
    expect([said.status, said.stderr]).toEqual([0, expect.stringContaining("reading the journal")]);
    machine.write(CONFIG, config);
  });
});
