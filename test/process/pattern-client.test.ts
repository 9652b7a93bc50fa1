/** `patternd/client` in programs of their own: whatever the daemon does and however they end, nothing is lost. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { ask } from "./client.ts";
import { type Daemon, Home } from "./daemon.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** What every program begins with: `emit("a")` for a small pattern, `say` for what the test wants to know. */
const PRELUDE = `
  import { PatternClient } from "patternd/client";
  import { once } from "node:events";
  const data = { agent_type: "a", task_type: "b", success: true, duration_ms: 1 };
  const client = new PatternClient({ context: { project_name: "shop" } });
  const emit = (id, more) => client.emit({ pattern_id: id, pattern_type: "agent_usage", data: { ...data, ...more } });
  const say = (value) => process.stdout.write(JSON.stringify(value) + "\\n");
  const told = (event) => new Promise((resolve) => process.stdin.once("data", resolve));
`;

interface Program {
  readonly child: ChildProcess;
  readonly ended: Promise<{ status: number | null; signal: string | null; said: unknown[]; errors: string }>;
}

function start(home: Home, script: string): Program {
  const child = spawn(process.execPath, ["--input-type=module", "-e", PRELUDE + script], {
    cwd: ROOT,
    env: home.env,
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const read = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  const ended = read.then(([stdout, errors]) => ({
    status: child.exitCode,
    signal: child.signalCode,
    said: stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)])),
    errors,
  }));
  return { child, ended };
}

const run = (home: Home, script: string) => start(home, script).ended;

function left(home: Home): string[] {
  const outbox = join(home.state, "outbox");
  const files = readdirSync(outbox).filter((name) => name.endsWith(".ndjson"));
  return files.sort().flatMap((name) => readFileSync(join(outbox, name), "utf8").trimEnd().split("\n"));
}

const ids = (lines: readonly string[]) => lines.map((line) => JSON.parse(line).pattern_id);

async function stored({ sockets }: Daemon): Promise<string[]> {
  const { body } = await ask(sockets.query, "/v1/patterns?limit=10000");
  return body === "" ? [] : ids(body.trimEnd().split("\n"));
}

const NOTHING = { emitted: 0, settled: 0, rejected: 0, left: 0, waiting: 0, dropped: 0, unserializable: 0 };

test("what the daemon settles is counted, and a refusal is told", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "filesystem" });
  const { said, errors, status } = await run(
    home,
    `const own = new PatternClient({ onRejected: say });
     emit("a"); emit("b");
     own.emit({ pattern_type: "task_completion", pattern_id: "bad", data: {} });
     say([await client.flush(10_000), await own.flush(10_000), client.counts, own.counts]);`,
  );
  expect([errors, status]).toEqual(["", 0]);
  expect(said).toEqual([
    {
      line: 1,
      code: "missing_field",
      path: "data.task_type",
      message: expect.any(String),
      pattern_id: "bad",
    },
    [true, true, { ...NOTHING, emitted: 2, settled: 2 }, { ...NOTHING, emitted: 1, settled: 1, rejected: 1 }],
  ]);
  expect((await stored(daemon)).sort()).toEqual(["a", "b"]);
  const { body } = await ask(daemon.sockets.query, "/v1/patterns/a");
  expect(JSON.parse(body)).toMatchObject({
    timestamp: expect.stringMatching(/[+-]\d\d:\d\d$/),
    context: { project_name: "shop", host: expect.any(String) },
  });
});

test("a callback that throws is told once a rejection, and nothing is sent again for it", async () => {
  const home = new Home();
  await home.start({ backend: "filesystem" });
  const { said, errors, status } = await run(
    home,
    `let times = 0;
     const own = new PatternClient({ onRejected() { times += 1; throw new Error("mine"); } });
     own.emit({ pattern_type: "task_completion", pattern_id: "bad", data: {} });
     say([await own.flush(10_000), times, own.counts]);`,
  );
  expect([errors, status]).toEqual([expect.stringContaining("onRejected of a PatternClient threw: mine"), 0]);
  expect(said).toEqual([[true, 1, { ...NOTHING, emitted: 1, settled: 1, rejected: 1 }]]);
});

test.each([
  ["by itself", "", 0, null],
  ["by process.exit", "process.exit(3)", 3, null],
  ["by an uncaught exception", "setImmediate(() => { throw new Error('theirs') })", 1, null],
  ["by a rejection that nobody handles", "Promise.reject(new Error('theirs'))", 1, null],
  ["by SIGTERM", "process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)", null, "SIGTERM"],
  ["by SIGINT", "process.kill(process.pid, 'SIGINT'); setInterval(() => {}, 1000)", null, "SIGINT"],
  ["by SIGHUP", "process.kill(process.pid, 'SIGHUP'); setInterval(() => {}, 1000)", null, "SIGHUP"],
])("a program that ends %s leaves what is unsettled, without a daemon", async (_, ending, status, signal) => {
  const home = new Home();
  const ended = await run(home, `for (let i = 0; i < 100; i += 1) emit("p" + i);\n${ending}`);
  expect(ended).toMatchObject({ status, signal });
  expect(ids(left(home))).toEqual(Array.from({ length: 100 }, (_, i) => `p${i}`));
  const daemon = await home.start({ backend: "filesystem" });
  await daemon.event("outbox.taken", ({ lines }) => lines === 100);
  expect(await stored(daemon)).toHaveLength(100);
});

test("a program with a daemon loses nothing at its end either", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "sqlite" });
  const { status } = await run(home, `for (let i = 0; i < 3000; i += 1) emit("p" + i);`);
  expect(status).toBe(0);
  await daemon.event("outbox.taken");
  expect(new Set(await stored(daemon)).size).toBe(3000);
});

test("a handler of the program's own decides about its signal", async () => {
  const home = new Home();
  const { status, said } = await run(
    home,
    `process.on("SIGTERM", () => { say("heard"); process.exit(7); });
     emit("a");
     process.kill(process.pid, "SIGTERM");
     setInterval(() => {}, 1000);`,
  );
  expect([status, said]).toEqual([7, ["heard"]]);
  expect(ids(left(home))).toEqual(["a"]);
});

test("a stopped daemon neither holds the program nor loses what it emitted", async () => {
  const home = new Home();
  const daemon = await home.start({ backend: "filesystem" });
  const program = start(
    home,
    `emit("first"); await client.flush(10_000); say(client.counts.settled);
     await told();
     for (let i = 0; i < 2000; i += 1) { emit("p" + i, { note: "n".repeat(500) }); if (i % 100 === 0) await new Promise(setImmediate); }
     emit("long", { note: "n".repeat(300_000) });
     process.stdin.destroy();`,
  );
  await once(program.child.stdout ?? program.child, "readable");
  daemon.signal("SIGSTOP");
  program.child.stdin?.write("go\n");
  expect((await program.ended).status).toBe(0);
  expect(ids(left(home)).sort()).toEqual(["long", ...Array.from({ length: 2000 }, (_, i) => `p${i}`)].sort());
  daemon.signal("SIGCONT");
  await daemon.event("outbox.taken", ({ lines }) => Number(lines) > 1);
  await expect.poll(async () => (await stored(daemon)).length, { timeout: 10_000 }).toBe(2002);
});

test("a daemon that is killed and comes back gets everything, each pattern once", async () => {
  const home = new Home();
  const first = await home.start({ backend: "sqlite" });
  const program = start(
    home,
    `for (let i = 0; i < 3000; i += 1) {
       emit("p" + i);
       if (i % 10 === 0) await new Promise((done) => setTimeout(done, 1));
       if (i === 1000) say("half");
     }
     process.stdin.destroy();
     say([await client.close(15_000), client.counts]);`,
  );
  await once(program.child.stdout ?? program.child, "readable");
  await first.stop("SIGKILL");
  const second = await home.start({ backend: "sqlite" });
  const { said, status } = await program.ended;
  expect(status).toBe(0);
  expect(said.at(-1)).toEqual([true, expect.objectContaining({ emitted: 3000, dropped: 0, waiting: 0 })]);
  await expect.poll(async () => (await stored(second)).length, { timeout: 10_000 }).toBe(3000);
});

test("after a flush not even SIGKILL loses anything", async () => {
  const home = new Home();
  const { signal, said } = await run(
    home,
    `emit("a"); say(await client.flush(50)); process.stdout.write("", () => process.kill(process.pid, "SIGKILL"));`,
  );
  expect([signal, said]).toEqual(["SIGKILL", [true]]);
  expect(ids(left(home))).toEqual(["a"]);
});

test("what is over the buffer goes to the outbox, also from a loop that never yields", async () => {
  const home = new Home();
  const { said } = await run(
    home,
    `const small = new PatternClient({ maxBufferBytes: 100_000 });
     for (let i = 0; i < 2000; i += 1) small.emit({ pattern_id: "p" + i, pattern_type: "agent_usage", data });
     say(small.counts);`,
  );
  const [counts] = said as [{ left: number; waiting: number }];
  expect(counts).toEqual({ ...NOTHING, emitted: 2000, left: counts.left, waiting: counts.waiting });
  expect(counts.waiting).toBeLessThan(600);
  expect(counts.left + counts.waiting).toBe(2000);
  expect(ids(left(home))).toEqual(Array.from({ length: 2000 }, (_, i) => `p${i}`));
});

test("what can't be said or kept is counted, never thrown", async () => {
  const home = new Home();
  writeFileSync(join(home.folder, "state"), "a file in the way");
  const { said, errors, status } = await run(
    home,
    `const cycle = {}; cycle.self = cycle;
     const bad = [undefined, null, { get data() { throw new Error("no"); } }];
     for (const pattern of bad) client.emit(pattern);
     for (const inner of [cycle, { n: 1n }, { toJSON() { throw new Error("no"); } }])
       client.emit({ pattern_type: "t", data: inner });
     emit("lost");
     say([await client.flush(10), client.counts]);
     await client.close(); emit("late"); say(client.counts.dropped);`,
  );
  expect([errors, status]).toEqual(["", 0]);
  expect(said).toEqual([[false, { ...NOTHING, emitted: 7, dropped: 1, unserializable: 6 }], 2]);
});
