/** What an agent waits for: an emission from a program, from a shell hook, from the command. `npm run bench:emit`. */
import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startDaemon } from "./daemon.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { count } from "./options.mjs";
import { machineLines, median } from "./report.mjs";

const USAGE = `node bench/emit.mjs [options]
  --rounds R        how often each is run, taken in turn (41)
  --folder FOLDER   on which disk (/var/tmp)
  --json FILE       also keep every figure there`;
const at = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const EMITTER = at("../bin/patternd-emit");
const COMMAND = at("../dist/patternd.cjs");
const FLAGS = ["--type", "agent_usage", "agent_type=a", "task_type=b", "success:=true", "duration_ms:=1"];
/** How a daemon may be while a program emits; slow: it runs a sixth of the time. */
const DAEMONS = ["up", "slow", "stopped", "absent"];

await runBenchmark({ readOptions, usage: USAGE, bench });

/** @param {readonly string[]} args */
function readOptions(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "41" },
      folder: { type: "string", default: "/var/tmp" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  return { ...values, rounds: count("--rounds", values.rounds), folder: resolve(values.folder) };
}

/**
 * @param {ReturnType<typeof readOptions>} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 */
async function bench({ rounds, json }, scratch, children) {
  const machine = describeMachine(scratch);
  console.log(`${machineLines(machine).join("\n")}\n`);
  const client = await benchClient(scratch, children);
  const folder = join(scratch, "run");
  await mkdir(folder);
  const { ingest, stop } = await startDaemon(children, { backend: "filesystem", folder });
  const env = { PATH: process.env.PATH ?? "", HOME: folder, XDG_STATE_HOME: folder, XDG_RUNTIME_DIR: folder };
  const processes = benchProcesses(rounds, env);
  const stored = await benchStored(rounds, env, join(dirname(ingest), "query.sock"));
  await stop();
  if (json !== undefined) {
    await writeFile(json, `${JSON.stringify({ machine, rounds, client, processes, stored }, null, 2)}\n`);
  }
}

/** @param {string} scratch @param {import("./children.mjs").Children} children */
async function benchClient(scratch, children) {
  console.log(
    "emit() of patternd/client, µs           p50      p99    p99.9   JSON.stringify alone: p50, p99",
  );
  const figures = [];
  for (const state of DAEMONS) {
    const folder = join(scratch, state);
    await mkdir(folder);
    const daemon =
      state === "absent" ? undefined : await startDaemon(children, { backend: "filesystem", folder });
    const rhythm = pace(state, daemon?.pid);
    const places = { XDG_STATE_HOME: folder, XDG_RUNTIME_DIR: folder, HOME: folder };
    for (const figure of await runEmitter(children, places)) {
      const { how, emit, bare } = figure;
      figures.push({ state, ...figure });
      const cells = [emit.p50, emit.p99, emit.p999, bare.p50, bare.p99].map((time) =>
        time.toFixed(1).padStart(9),
      );
      console.log(`${`daemon ${state}, ${how}`.padEnd(34)}${cells.join("")}`);
    }
    rhythm.end();
    await daemon?.stop();
  }
  console.log("");
  return figures;
}

/** @param {import("./children.mjs").Children} children @param {Record<string, string>} places */
async function runEmitter(children, places) {
  const { child, status } = children.start([at("emitter.mjs")], places);
  let answer = "";
  for await (const chunk of child.stdout) answer += chunk;
  if ((await status) !== 0) throw new Error("the emitting program failed");
  return JSON.parse(answer);
}

/** @param {string} state @param {number | undefined} pid */
function pace(state, pid) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  if (pid !== undefined && state !== "up") process.kill(pid, "SIGSTOP");
  if (pid !== undefined && state === "slow") {
    timer = setInterval(() => {
      process.kill(pid, "SIGCONT");
      setTimeout(() => timer && process.kill(pid, "SIGSTOP"), 10);
    }, 60);
  }
  return {
    end() {
      clearInterval(timer);
      timer = undefined;
      if (pid !== undefined) process.kill(pid, "SIGCONT");
    },
  };
}

/** @param {number} rounds @param {Record<string, string>} env */
function benchProcesses(rounds, env) {
  const shells = [["dash"], ["bash", "--posix"], ["busybox", "sh"]].filter(
    ([shell = ""]) => spawnSync(shell, [], { input: "" }).error === undefined,
  );
  const hook = ["--from", "claude-code"];
  /** @type {{ name: string, program: string, args: string[], input?: string, base: string }[]} */
  const runs = [
    { name: "sh -c :", program: "sh", args: ["-c", ":"], base: "sh -c :" },
    ...shells.map(([program = "", ...args]) => {
      const name = `${[program, ...args].join(" ")} patternd-emit`;
      return { name, program, args: [...args, EMITTER, ...FLAGS], base: "sh -c :" };
    }),
    ...[500, 30_000].map((bytes) => {
      const name = `sh patternd-emit, hook of ${bytes} bytes`;
      return { name, program: "sh", args: [EMITTER, ...hook], input: hookInput(bytes), base: "sh -c :" };
    }),
    { name: "node -e 0", program: process.execPath, args: ["-e", "0"], base: "node -e 0" },
    {
      name: "patternd emit",
      program: process.execPath,
      args: [COMMAND, "emit", ...FLAGS],
      base: "node -e 0",
    },
    { name: "patternd --help", program: process.execPath, args: [COMMAND, "--help"], base: "node -e 0" },
  ];
  /** @type {Map<string, number[]>} */
  const times = new Map(runs.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, program, args, input = "" } of runs) {
      const started = performance.now();
      const { status } = spawnSync(program, args, { env, input, stdio: ["pipe", "ignore", "ignore"] });
      times.get(name)?.push(performance.now() - started);
      if (status !== 0) throw new Error(`${name} ended with status ${status}`);
    }
  }
  const base = (/** @type {string} */ name) => times.get(name) ?? [];
  console.log(
    "from start to end of a process, ms       p50      p95   beyond its base   times its base (medians of pairs)",
  );
  const figures = runs.map(({ name, base: of }) => {
    const own = base(name);
    const beyond = median(own.map((time, round) => time - (base(of)[round] ?? 0)));
    const ratio = median(own.map((time, round) => time / (base(of)[round] ?? 1)));
    return { name, p50: median(own), p95: quantile(own, 0.95), beyond, ratio };
  });
  for (const { name, p50, p95, beyond, ratio } of figures) {
    const cells = `${p50.toFixed(1).padStart(9)}${p95.toFixed(1).padStart(9)}`;
    console.log(
      `${name.padEnd(36)}${cells}${beyond.toFixed(1).padStart(18)}${ratio.toFixed(2).padStart(17)}`,
    );
  }
  console.log("");
  return figures;
}

/** From the start of `patternd-emit` to the daemon's answer that it has the pattern. */
async function benchStored(
  /** @type {number} */ rounds,
  /** @type {Record<string, string>} */ env,
  /** @type {string} */ query,
) {
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const id = `stored-${round}`;
    const started = performance.now();
    spawnSync("sh", [EMITTER, ...FLAGS, "--id", id], { env });
    while ((await statusOf(query, `/v1/patterns/${id}`)) !== 200)
      await new Promise((done) => setTimeout(done, 1));
    times.push(performance.now() - started);
  }
  const figure = { p50: median(times), p95: quantile(times, 0.95), max: Math.max(...times) };
  const words = `p50 ${figure.p50.toFixed(0)}, p95 ${figure.p95.toFixed(0)}, at most ${figure.max.toFixed(0)} ms`;
  console.log(`from the start of patternd-emit to a stored pattern: ${words}`);
  return figure;
}

/** @param {string} socketPath @param {string} path @returns {Promise<number | undefined>} */
function statusOf(socketPath, path) {
  return new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    })
      .on("error", reject)
      .end();
  });
}

/** @param {number} bytes */
function hookInput(bytes) {
  return JSON.stringify({
    session_id: "s-1",
    cwd: "/",
    hook_event_name: "PostToolUse",
    tool_name: "Write",
    tool_input: { file_path: "/x", content: 'let a = "b";\n'.repeat(bytes / 16) },
    duration_ms: 12,
  });
}

/** @param {readonly number[]} values @param {number} share */
function quantile(values, share) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
