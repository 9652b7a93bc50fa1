import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { expect, onTestFinished, test } from "vitest";
import { createWorld, emitSettled, errorLine, linesOf, MAIN, type World } from "./cli-world.ts";

const TASK = [
  "emit",
  "--type",
  "task_completion",
  "task_type=refactoring",
  "agent=builder",
  "duration_ms:=1200",
  "success:=true",
];
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const patternSchema = v.looseObject({
  pattern_id: v.string(),
  timestamp: v.string(),
  data: v.looseObject({}),
  context: v.looseObject({}),
});
const parsed = (line: string | undefined) => v.parse(patternSchema, JSON.parse(line ?? ""));

test("flags make a pattern, the receipt says what became of it, and it is there as it was sent", async () => {
  const world = createWorld();
  await world.start();
  const emitted = await world.run([
    ...TASK,
    "--json",
    "--id",
    "one",
    "--timestamp",
    "2026-01-02T03:04:05Z",
    ...["--tag", "backend", "--tag", "slow", "--project", "shop", "--session", "s-1", "--host", "box"],
    ...["--environment", "staging", "--context", "user_id=u", "--context", "n:=9007199254740993"],
  ]);
  expect(emitted).toEqual({
    status: 0,
    stdout: '{"receipt":{"lines":1,"stored":1,"rejected":0,"not_collected":0}}\n',
    stderr: "",
  });
  const { stdout } = await world.run(["get", "one"]);
  expect(stdout).toContain('"n":9007199254740993');
  expect(parsed(stdout)).toMatchObject({
    pattern_type: "task_completion",
    timestamp: "2026-01-02T03:04:05Z",
    data: { task_type: "refactoring", agent: "builder", duration_ms: 1200, success: true },
    context: {
      tags: ["backend", "slow"],
      project_name: "shop",
      session_id: "s-1",
      host: "box",
      environment: "staging",
      user_id: "u",
    },
  });
});

test("without --json nothing is printed", async () => {
  const world = createWorld();
  await world.start();
  expect(await world.run(TASK)).toEqual({ status: 0, stdout: "", stderr: "" });
});

test("what the flags don't say is filled in from the surroundings", async () => {
  const world = createWorld();
  const inner = join(world.folder, "shop", "src");
  mkdirSync(join(world.folder, "shop", ".git"), { recursive: true });
  mkdirSync(inner);
  writeFileSync(join(world.folder, "shop", ".git", "HEAD"), "ref: refs/heads/feature/cart\n");
  await world.run(TASK, { cwd: inner, env: { PATTERND_SESSION: "s-9", TZ: "America/St_Johns" } });
  const pattern = parsed(world.left()[0]);
  expect(pattern.pattern_id).toMatch(UUID_V7);
  expect(pattern.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}-0[23]:30$/);
  expect(Math.abs(Date.parse(pattern.timestamp) - Date.now())).toBeLessThan(60_000);
  expect(pattern.context).toEqual({
    host: hostname(),
    project_name: "shop",
    git_branch: "feature/cart",
    session_id: "s-9",
  });
});

test("--data is taken over as text, on one line, and pairs beside it win", async () => {
  const world = createWorld();
  await world.run(["emit", "--type", "t", "--data", '{"big": 12345678901234567890,\n "a": 1}']);
  await world.run(["emit", "--type", "t", "--data", '{"big": 12345678901234567890, "a": 1}', "a:=2"]);
  const [whole, mixed] = world.left();
  expect(whole).toContain('"data":{"big": 12345678901234567890,  "a": 1}');
  expect(mixed).toContain("12345678901234567890");
  expect(parsed(mixed).data).toMatchObject({ a: 2 });
});

test.each([
  ["no type", ["emit", "agent=x"], "--type is missing"],
  ["a pair without =", ["emit", "--type", "t", "agent"], "expected key=value or key:=json, got agent"],
  ["a pair without key", ["emit", "--type", "t", ":=1"], "expected key=value or key:=json, got :=1"],
  ["a pair that is not JSON", ["emit", "--type", "t", "n:=1,"], "argument n: expected JSON, got 1,"],
  ["data that is no object", ["emit", "--type", "t", "--data", "[1]"], "--data: expected a JSON object"],
  ["data that would end the object", ["emit", "--type", "t", "--data", '{},"x":{}'], "--data: expected JSON"],
  ["an unknown flag", ["emit", "--typ", "t"], "Unknown option '--typ'"],
])("wrong usage is told and exits with 64: %s", async (_, args, message) => {
  const world = createWorld();
  const { status, stdout, stderr } = await world.run(args);
  expect(status).toBe(64);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^patternd: emit: [^\n]+\nSee `patternd emit --help`\.\n$/);
  expect(stderr).toContain(message);
});

test("lines from standard input keep their bytes; blank lines count for an editor, not for the daemon", async () => {
  const world = createWorld();
  await world.start();
  const exact =
    '{"pattern_id" : "\\u0061b",  "pattern_type":"error_occurrence","timestamp":"2026-01-02", "data":{"error_type":"T","error_message":"é","n":1e400},"context":null}';
  const input = `\n${exact}\r\n\nnot json\n{"pattern_type":"nope"}\n`;
  const { status, stdout, stderr } = await world.run(["emit", "--json"], { input });
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toEqual({ receipt: { lines: 3, stored: 1, rejected: 2, not_collected: 0 } });
  expect(linesOf(stderr)).toEqual([
    expect.stringMatching(/^patternd: line 4: invalid_json: expected one JSON object/),
    expect.stringMatching(/^patternd: line 5: unknown_pattern_type pattern_type: expected one of/),
  ]);
  expect((await world.run(["get", "ab"])).stdout).toBe(`${exact}\n`);
});

test("more than one connection's worth of lines is settled, each line with its own number", async () => {
  const world = createWorld();
  await world.start();
  const good = errorLine("x", "2026-01-02", { note: "n".repeat(2000) });
  const lines = Array.from({ length: 5_000 }, (_, i) => good.replace('"x"', `"x${i}"`));
  lines[4_990] = "{}";
  const { status, stdout, stderr } = await emitSettled(world, ["emit", "--json"], lines.join("\n"));
  expect(JSON.parse(stdout)).toEqual({
    receipt: { lines: 5_000, stored: 4_999, rejected: 1, not_collected: 0 },
  });
  expect(stderr).toMatch(/^patternd: line 4991: missing_field pattern_type: /);
  expect(status).toBe(1);
});

test("without a daemon patterns wait in the outbox, private and in order, and that is no failure", async () => {
  const world = createWorld();
  const first = await world.run(TASK);
  expect(first.status).toBe(0);
  expect(first.stderr).toBe(`patternd: no daemon answers; 1 pattern waits in the outbox ${world.outbox}\n`);
  const given = [errorLine("a", "2026-01-02"), "not json", errorLine("b", "2026-01-02")];
  const second = await world.run(["emit", "--json"], { input: given.join("\n") });
  expect(JSON.parse(second.stdout)).toMatchObject({ outbox: { lines: 3, folder: world.outbox } });
  expect(world.left().slice(1)).toEqual(given);
  expect(statSync(world.outbox).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(world.outbox)) {
    expect(name).toMatch(/^[0-9a-f-]{36}\.ndjson$/);
    expect(statSync(join(world.outbox, name)).mode & 0o777).toBe(0o600);
  }
});

test("a daemon that is stopped does not stall an emitter, however much it sends", async () => {
  const world = createWorld();
  const daemon = await world.start();
  daemon.process.kill("SIGSTOP");
  expect((await world.run(TASK)).status).toBe(0);
  const lines = Array.from({ length: 8_000 }, (_, i) =>
    errorLine(`y${i}`, "2026-01-02", { note: "n".repeat(1000) }),
  );
  const { status, stderr } = await world.run(["emit"], { input: lines.join("\n") });
  expect(status).toBe(0);
  expect(stderr).toContain("8000 patterns wait in the outbox");
  expect(world.left().slice(1)).toEqual(lines);
  // What it was sent and what was left are the same lines: taken twice, they are stored once.
  daemon.process.kill("SIGCONT");
  expect((await world.run(TASK)).stderr).toBe("");
}, 30_000);

function serve(world: World, onConnection: (socket: Socket) => void): Promise<string> {
  const path = join(world.folder, "peer.sock");
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on("error", () => {}));
    onConnection(socket);
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return new Promise((resolve) => {
    server.listen(path, () => resolve(path));
  });
}

test.each<[string, (socket: Socket) => void, RegExp]>([
  ["says nothing", (socket) => socket.resume(), /no answer on .* within 1000 ms/],
  ["hangs up", (socket) => socket.destroy(), /closed the connection|EPIPE|ECONNRESET/],
  ["ends without a receipt", (socket) => socket.on("end", () => socket.end()).resume(), /without a receipt/],
  ["is not patternd", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"), /not a patternd daemon's/],
  [
    "took less than all",
    (socket) =>
      socket
        .on("end", () => socket.end('{"receipt":{"lines":0,"stored":0,"rejected":0,"not_collected":0}}\n'))
        .resume(),
    /took 0 of 1 lines/,
  ],
])("a peer that %s promised nothing: the pattern is left", async (_, onConnection, reason) => {
  const world = createWorld();
  const socket = await serve(world, onConnection);
  const { status, stderr } = await world.run([...TASK, "--socket", socket]);
  expect(status).toBe(0);
  expect(stderr).toMatch(reason);
  expect(world.left()).toHaveLength(1);
});

test("--no-wait returns when the kernel has every byte, and the daemon stores them", async () => {
  const world = createWorld();
  const daemon = await world.start();
  const lines = Array.from({ length: 3_000 }, (_, i) => errorLine(`z${i}`, "2026-01-02"));
  const emitted = await world.run(["emit", "--no-wait", "--json"], { input: lines.join("\n") });
  expect(emitted).toEqual({ status: 0, stdout: "", stderr: "" });
  expect(await daemon.stop()).toBe(0);
  const { stdout } = await world.run(["query", "--limit", "5000"]);
  expect(linesOf(stdout).sort()).toEqual([...lines].sort());
});

test("an outbox that is full loses the pattern, and says so", async () => {
  const world = createWorld();
  const config = join(world.folder, "config.json");
  writeFileSync(config, '{"outbox":{"maxBytes":500}}');
  expect((await world.run([...TASK, "--config", config])).status).toBe(0);
  const { status, stderr } = await world.run([...TASK, "--config", config]);
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^patternd: the outbox .* holds \d+ of at most 500 bytes: the pattern may be lost\n/,
  );
  expect(readdirSync(world.outbox)).toHaveLength(1);
  const hook = await world.run([...TASK, "--hook", "--config", config]);
  expect(hook.status).toBe(0);
});

test("an outbox that can't be made is a failure, not a silence", async () => {
  const world = createWorld();
  writeFileSync(join(world.folder, "state"), "a file in the way");
  const { status, stderr } = await world.run(TASK);
  expect(status).toBe(1);
  expect(stderr).toContain("can't be written");
});

test("--hook never fails and never prints an answer", async () => {
  const world = createWorld();
  await world.start();
  for (const args of [
    ["emit", "--hook", "--bogus"],
    ["emit", "--hook", "--json", "--type", "nope"],
    [...TASK, "--hook", "--json"],
  ]) {
    const { status, stdout } = await world.run(args);
    expect([status, stdout]).toEqual([0, ""]);
  }
});

test("a folder that is gone does not keep a pattern from being sent", async () => {
  const world = createWorld();
  const script = `mkdir gone && cd gone && rmdir ../gone && exec "$0" "$@"`;
  const { status } = spawnSync("sh", ["-c", script, process.execPath, MAIN, ...TASK], {
    cwd: world.folder,
    env: world.env,
  });
  expect(status).toBe(0);
  expect(world.left()).toHaveLength(1);
});

test("emit starts without what the other commands need", async () => {
  const world = createWorld();
  await world.start();
  const hooks = `import { writeSync } from "node:fs";
    export function load(url, context, next) { writeSync(2, url + "\\n"); return next(url, context); }`;
  const preload = `import { register } from "node:module";
    register("data:text/javascript," + ${JSON.stringify(encodeURIComponent(hooks))});`;
  const { stderr } = await world.run(TASK, {
    env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` },
  });
  const packages = [...stderr.matchAll(/\/node_modules\/([^/]+)\//g)].map((match) => match[1]);
  expect(new Set(packages)).toEqual(new Set(["uuid", "ndjson"]));
  expect(stderr).toContain("dist/cli/emit.js");
});
