/** What the command says of a daemon and what it holds, in real processes. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import * as v from "valibot";
import { expect, onTestFinished, test } from "vitest";
import { lookSchema } from "../src/cli/doctor/finding.ts";
import { statusSchema } from "../src/cli/status.ts";
import { readable } from "../src/cli/tail.ts";
import { statsSchema } from "../src/store/answers.ts";
import { createWorld, emitSettled, errorLine, linesOf, MAIN, type World } from "./cli-world.ts";

const isInstalled = (program: string) => spawnSync(program, ["--version"]).error === undefined;

/** Every look, by what was looked at. */
async function looksOf(world: World, ...args: string[]) {
  const { status, stdout } = await world.run(["doctor", "--json", ...args]);
  const looks = linesOf(stdout).map((line) => v.parse(lookSchema, JSON.parse(line)));
  return { status, looks, look: (check: string) => looks.find((one) => one.check === check) };
}

test("tail prints the newest, the newest last, with a daemon and without", async () => {
  const world = createWorld();
  const daemon = await world.start();
  const lines = Array.from({ length: 12 }, (_, n) => errorLine(`n${n}`, `2026-05-01T10:00:${10 + n}Z`));
  await emitSettled(world, ["emit"], lines.join("\n"));
  const asked = () => world.run(["tail", "--limit", "3"]);
  expect(await asked()).toEqual({ status: 0, stdout: `${lines.slice(-3).join("\n")}\n`, stderr: "" });
  expect(linesOf((await world.run(["tail"])).stdout)).toEqual(lines.slice(-10));
  expect(linesOf((await world.run(["tail", "--agent", "nobody"])).stdout)).toEqual([]);
  await daemon.stop();
  expect(await asked()).toMatchObject({ status: 0, stdout: `${lines.slice(-3).join("\n")}\n` });
  const following = await world.run(["tail", "-f"]);
  expect(following).toMatchObject({ status: 3, stdout: "" });
  expect(following.stderr).toContain("nothing to follow");
});

test("tail -f prints what is meant as it is stored, and ends with the daemon", async () => {
  const world = createWorld();
  const daemon = await world.start();
  const line = (id: string, more = {}) => errorLine(id, "2026-05-01T10:00:00Z", more);
  await emitSettled(world, ["emit"], line("before"));
  const child = spawn(process.execPath, [MAIN, "tail", "-f", "--project", "p"], { env: world.env });
  onTestFinished(() => void child.kill("SIGKILL"));
  const closed = new Promise((resolve) => child.on("close", resolve));
  const seen = createInterface(child.stdout)[Symbol.asyncIterator]();
  expect((await seen.next()).value).toBe(line("before"));
  await emitSettled(world, ["emit"], [line("a"), line("other", { project_name: "q" }), line("b")].join("\n"));
  expect([(await seen.next()).value, (await seen.next()).value]).toEqual([line("a"), line("b")]);
  await daemon.stop();
  expect(await closed).toBe(3);
});

test("a pattern on a line: when, what, who, how it ended, and what happened", () => {
  const data = { agent_type: "builder", task_type: "build", success: true, duration_ms: 1500 };
  const line = JSON.stringify({
    pattern_id: "x",
    pattern_type: "agent_usage",
    timestamp: "2026-05-01",
    data,
  });
  const text = readable(line, 120, false);
  expect(text).toMatch(/^2026-0\S+ \S+ {2}agent_usage {7}builder {9}ok {6}build done in 1.5 s$/);
  expect(readable(line, 120, true)).toBe(text.replace("ok", "\u001b[32mok\u001b[39m"));
  expect(readable(line, 60, false)).toHaveLength(60);
  expect(readable(line.replace("build", "\\u001b[2J"), 120, false)).not.toContain("\u001b");
});

test("stats and status say what their schemas say, in the terms of the docs", async () => {
  const world = createWorld();
  expect(await world.run(["stats"])).toMatchObject({ status: 1, stdout: "" });
  expect(await world.run(["status"])).toMatchObject({ status: 3, stdout: "" });
  const daemon = await world.start();
  await emitSettled(world, ["emit"], `${errorLine("a", "2026-05-01T10:00:00Z")}\n{"no":"pattern"}\nnor this`);
  const status = await world.run(["status", "--json"]);
  expect(status).toMatchObject({ status: 0, stderr: "" });
  const { rejected_last_day, lines } = v.parse(statusSchema, JSON.parse(status.stdout));
  expect(rejected_last_day.by_code).toEqual({ missing_field: 1, invalid_json: 1 });
  expect(rejected_last_day.newest).toMatchObject({ code: "invalid_json", line: "nor this" });
  expect(lines).toMatchObject({ stored: 1, rejected: 2 });
  const withDaemon = await world.run(["stats", "--json"]);
  expect(v.parse(statsSchema, JSON.parse(withDaemon.stdout))).toMatchObject({
    patterns: 1,
    newest: "2026-05-01T10:00:00.000000000Z",
  });
  await daemon.stop();
  expect(JSON.parse((await world.run(["stats"])).stdout)).toMatchObject({ patterns: 1 });
});

test("a degraded daemon is named by status and doctor", async () => {
  const world = createWorld();
  await world.start();
  // A file where the folder of rejected lines should be: they can't be kept.
  writeFileSync(join(world.folder, "state/patternd/rejected"), "");
  await world.run(["emit"], { input: "no pattern\n" });
  const { status, stdout } = await world.run(["status"]);
  expect(status).toBe(1);
  expect(v.parse(statusSchema, JSON.parse(stdout))).toMatchObject({
    status: "degraded",
    reasons: [expect.stringContaining("rejected lines can't be kept")],
  });
  const { status: found, look } = await looksOf(world);
  expect(found).toBe(1);
  expect(look("daemon")).toMatchObject({
    outcome: "trouble",
    found: expect.stringContaining("rejected lines"),
  });
});

test("doctor finds nothing where all is well", async () => {
  const world = createWorld();
  await world.start();
  await emitSettled(world, ["emit"], errorLine("a", "2026-05-01T10:00:00Z"));
  const { status, looks, look } = await looksOf(world);
  expect(looks.filter(({ outcome }) => outcome !== "ok")).toEqual([]);
  expect(status).toBe(0);
  expect(look("store")?.found).toContain("1 pattern, whole");
});

test("an SQLite store is called by its file", async () => {
  const world = createWorld();
  mkdirSync(join(world.folder, "config/patternd"), { recursive: true });
  writeFileSync(join(world.folder, "config/patternd/config.json"), '{"backend":"sqlite"}');
  const daemon = await world.start();
  const named = join(world.folder, "state/patternd/patterns");
  const file = `${named}.db`;
  const status = await world.run(["status", "--json"]);
  expect(v.parse(statusSchema, JSON.parse(status.stdout)).store.path).toBe(file);
  const { look } = await looksOf(world);
  expect(look("store")?.found).toBe(`sqlite:${file}: 0 patterns, whole`);
  expect(look("configuration in force")).toBeUndefined();
  await daemon.stop();
  expect((await world.run(["query"])).stderr).toContain(`reading sqlite store ${file}\n`);
  for (const flags of [[], ["--store", `sqlite:${named}`], ["--store", `sqlite:${file}`]])
    expect((await world.run(["check-store", ...flags])).stdout).toContain(`sqlite:${file}: 0 patterns`);
});

test("a daemon that hangs is not one that is not there", async () => {
  const world = createWorld();
  const daemon = await world.start();
  daemon.process.kill("SIGSTOP");
  onTestFinished(() => void daemon.process.kill("SIGCONT"));
  const [status, query, { look }] = await Promise.all([
    world.run(["status"]),
    world.run(["query"]),
    looksOf(world),
  ]);
  for (const { status: exit, stderr } of [status, query]) {
    expect(exit).toBe(3);
    expect(stderr).toMatch(/^patternd: the daemon on .*query\.sock does not answer: silent for 5000 ms\n/);
    expect(stderr).toContain("systemctl restart patternd");
    expect(stderr).not.toContain("patternd start");
  }
  expect(look("daemon")).toMatchObject({
    outcome: "trouble",
    found: expect.stringContaining(`process ${daemon.process.pid} does not answer`),
    advice: expect.stringContaining("systemctl restart patternd"),
  });
});

test("doctor finds stale sockets, files that wait, and says what to do", async () => {
  const world = createWorld();
  const daemon = await world.start();
  daemon.process.kill("SIGKILL");
  await daemon.stop();
  await world.run(["emit"], { input: errorLine("a", "2026-05-01T10:00:00Z") });
  const { status, look } = await looksOf(world);
  expect(status).toBe(1);
  expect(look("ingest socket")).toMatchObject({
    outcome: "trouble",
    found: expect.stringContaining("stale"),
    advice: expect.stringContaining("patternd start"),
  });
  expect(look("daemon")).toMatchObject({ outcome: "warning" });
  expect(look("outbox")).toMatchObject({ outcome: "warning", found: expect.stringContaining("1 file") });
});

test("doctor finds a broken configuration, a file in the place of a socket, and a store that is not whole", async () => {
  const world = createWorld();
  const config = join(world.folder, "config.json");
  writeFileSync(config, '{"backend":"oracle"}');
  const broken = await looksOf(world, "--config", config);
  expect(broken.status).toBe(1);
  expect(broken.looks).toMatchObject([
    { check: "configuration", outcome: "trouble", advice: expect.any(String) },
  ]);

  const daemon = await world.start();
  await emitSettled(world, ["emit"], errorLine("a", "2026-05-01T10:00:00Z"));
  await daemon.stop();
  const segment = join(world.folder, "state/patternd/patterns/2026/05/01/error_occurrence.ndjson");
  writeFileSync(segment, `${readFileSync(segment, "utf8")}not a pattern\n`);
  writeFileSync(join(world.folder, "run/patternd/query.sock"), "");
  chmodSync(join(world.folder, "state/patternd/spool"), 0o755);
  const { look } = await looksOf(world);
  expect(look("query socket")).toMatchObject({
    outcome: "trouble",
    found: expect.stringContaining("no socket"),
  });
  expect(look("store")).toMatchObject({ outcome: "trouble", found: expect.stringContaining("line_damaged") });
  expect(look("owner of the spool")).toMatchObject({
    outcome: "warning",
    advice: expect.stringContaining("chmod"),
  });
});

test("doctor finds a daemon of another version that writes elsewhere", async () => {
  const world = createWorld();
  const health = {
    status: "ready",
    reasons: [],
    version: "99.0.0",
    pid: 1,
    started: "2026-05-01T10:00:00Z",
    store: { backend: "sqlite", path: "/elsewhere", timezone: "UTC" },
    connections: 0,
    lines: {
      received: 0,
      from_outbox: 0,
      stored: 0,
      replaced: 0,
      superseded: 0,
      rejected: 0,
      not_collected: 0,
      in_flight: 0,
    },
    rejected: { path: "/nowhere", files: 0, bytes: 0 },
    spool: { lines: 0, bytes: 0 },
  };
  const body = JSON.stringify(health);
  const other = createServer((socket) => {
    socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    socket.on("error", () => {});
  });
  const folder = join(world.folder, "run/patternd");
  mkdirSync(folder, { recursive: true });
  await new Promise<void>((resolve) => other.listen(join(folder, "query.sock"), resolve));
  onTestFinished(() => void other.close());
  const { look } = await looksOf(world);
  expect(look("version")).toMatchObject({ outcome: "warning", found: expect.stringContaining("99.0.0") });
  expect(look("configuration in force")).toMatchObject({
    outcome: "warning",
    found: expect.stringContaining("/elsewhere"),
  });
});

test("help shows examples", async () => {
  const world = createWorld();
  for (const command of ["query", "tail", "completion"])
    expect((await world.run([command, "--help"])).stdout).toContain("Examples:");
});

test.runIf(isInstalled("curl"))("every request of docs/asking.md is answered", async () => {
  const world = createWorld();
  await world.start();
  await emitSettled(world, ["emit"], errorLine("a", "2026-05-01T10:00:00Z"));
  const page = readFileSync(new URL("../docs/asking.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = ""]) =>
    block.includes("curl") ? [block] : [],
  );
  expect(blocks).toHaveLength(3);
  const sh = (block: string) => {
    const { status, stdout, stderr } = spawnSync("sh", ["-e"], {
      input: block,
      env: world.env,
      cwd: world.folder,
      encoding: "utf8",
    });
    expect({ block, status }).toEqual({ block, status: 0 });
    return { stdout, stderr };
  };
  const [each = "", everything = "", following = ""] = blocks;
  const { stdout, stderr } = sh(each);
  expect(stderr).toBe("");
  expect(stdout).toContain('"status":"ready"');
  expect(stdout.match(/"pattern_id":"a"/g)).toHaveLength(2);
  expect(stdout).toContain('"patterns":1');
  expect(stdout).toContain("patternd_ready 1");
  expect(stdout).not.toContain('"hint"');
  sh(everything);
  expect(readFileSync(join(world.folder, "all.ndjson"), "utf8")).toBe(
    `${errorLine("a", "2026-05-01T10:00:00Z")}\n`,
  );
  expect(sh(following).stdout).toBe(`${errorLine("a", "2026-05-01T10:00:00Z")}\n`);
});
