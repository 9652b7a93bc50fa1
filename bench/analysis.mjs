/**
 * `npm run bench:analysis`: how long an analysis of a large store takes, of the command and of a running daemon, and what
 * senders notice of it while they send half of what the daemon can take. On Linux.
 */
import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { loadavg } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PROGRAM, startDaemon } from "./daemon.mjs";
import { generatePatterns } from "./generate.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { readNumbers } from "./options.mjs";
import { machineLines, median, whole } from "./report.mjs";
import { secondsOf } from "./store/timing.mjs";

const USAGE = `node bench/analysis.mjs [options]
  --patterns N      how many the store holds (1000000), evenly over 90 days
  --seconds N       how long is sent, without analyses and with them (15)
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk; in a tmpfs nothing is durable (/var/tmp)
  --json FILE       also keep every figure there`;
const STEPS = fileURLToPath(new URL("store/steps.mjs", import.meta.url));
const SENDER = fileURLToPath(new URL("analysis/sender.mjs", import.meta.url));
const DAY_MS = 86_400_000;
const DAYS = 90;
const RUNS = 5;
/** So many patterns tell what the daemon can take at most. */
const CAPACITY_PATTERNS = 100_000;

await runBenchmark({ readOptions, usage: USAGE, bench });

/** @param {readonly string[]} args */
function readOptions(args) {
  return readNumbers(args, { patterns: 1_000_000, seconds: 15 });
}

/**
 * @param {ReturnType<typeof readOptions>} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 * @param {AbortSignal} signal
 */
async function bench({ patterns, seconds, backends, json }, scratch, children, signal) {
  const [load = 0] = loadavg();
  const machine = describeMachine(scratch);
  const file = join(scratch, "patterns.ndjson");
  await generatePatterns(file, patterns, signal, {
    firstMs: Date.now() - DAYS * DAY_MS,
    spanMs: DAYS * DAY_MS,
  });
  const figures = [];
  for (const backend of backends) {
    const folder = join(scratch, backend);
    await mkdir(folder);
    const path = join(folder, backend === "sqlite" ? "store.db" : "store");
    console.error(`${backend}: loading`);
    await children.run(STEPS, ["load", JSON.stringify({ backend, path, patterns: file })]);
    figures.push(await measure(children, signal, { backend, folder, path, file, seconds }));
    await rm(folder, { recursive: true });
  }
  console.log([...machineLines(machine), `load      ${load.toFixed(2)} in the minute before`].join("\n"));
  for (const each of figures) console.log(describe(each).join("\n"));
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ machine, load, patterns, figures }, null, 2)}\n`);
}

/**
 * @param {import("./children.mjs").Children} children
 * @param {AbortSignal} signal
 * @param {{ backend: string, folder: string, path: string, file: string, seconds: number }} subject
 */
async function measure(children, signal, { backend, folder, path, file, seconds }) {
  const config = join(folder, "alone.json");
  await writeFile(config, JSON.stringify({ backend, path }));
  const command = (/** @type {string[]} */ ...flags) =>
    timesOf(RUNS, () =>
      promisify(execFile)(process.execPath, [PROGRAM, "analyze", "--json", "--config", config, ...flags], {
        env: { PATH: process.env.PATH, HOME: folder },
        signal,
      }),
    );
  console.error(`${backend}: the command alone`);
  const alone = { week: await command(), all: await command("--all") };

  console.error(`${backend}: by the daemon`);
  const { ingest, stop } = await startDaemon(children, { backend, folder, path });
  const query = join(dirname(ingest), "query.sock");
  const all = () => ask(query, "/v1/analysis");
  const week = () => ask(query, `/v1/analysis?startDate=${new Date(Date.now() - 7 * DAY_MS).toISOString()}`);
  const daemon = { week: await timesOf(RUNS, week), all: await timesOf(RUNS, all) };

  console.error(`${backend}: beside a sender`);
  const send = (/** @type {string} */ name, /** @type {number} */ lines, /** @type {number} */ rate) =>
    children.run(SENDER, [ingest, file, name, String(lines), String(rate)]);
  const { rate: capacity } = await send("capacity", CAPACITY_PATTERNS, 0);
  const rate = Math.floor(capacity / 2);
  const beside = {
    quiet: await send("quiet", rate * seconds, rate),
    week: await during(week, () => send("week", rate * seconds, rate)),
    all: await during(all, () => send("all", rate * seconds, rate)),
  };
  await stop();
  return { backend, alone, daemon, capacity, beside };
}

/**
 * One analysis after the other while the work goes on.
 *
 * @template T
 * @param {() => Promise<unknown>} analyse
 * @param {() => Promise<T>} work
 */
async function during(analyse, work) {
  let isOver = false;
  const asking = (async () => {
    const times = [];
    while (!isOver) times.push(await secondsOf(analyse));
    return times;
  })();
  const result = await work();
  isOver = true;
  return { ...result, analyses: await asking };
}

/** @param {number} runs @param {() => Promise<unknown>} work @returns seconds: the first, and the median of the others */
async function timesOf(runs, work) {
  const first = await secondsOf(work);
  const others = [];
  while (others.length < runs - 1) others.push(await secondsOf(work));
  return { first, median: median(others) };
}

/** @param {string} socketPath @param {string} path */
function ask(socketPath, path) {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, agent: false }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${path} gave ${response.statusCode}`));
      text(response).then(resolve, reject);
    });
    asked.on("error", reject);
    asked.end();
  });
}

/** @param {Awaited<ReturnType<typeof measure>>} figures */
function describe({ backend, alone, daemon, capacity, beside }) {
  const seconds = (/** @type {number} */ value) => value.toFixed(2).padStart(8);
  const ms = (/** @type {number} */ value) => value.toFixed(1).padStart(8);
  const { quiet, week, all } = beside;
  const row = (/** @type {string} */ name, /** @type {{ p50: number, p99: number }} */ { p50, p99 }) =>
    `${name.padEnd(34)}${ms(p50)}${ms(p99)}${(p99 / quiet.p99).toFixed(1).padStart(8)}`;
  return [
    "",
    `${backend.padEnd(34)}${"first s".padStart(8)}${"then s".padStart(8)}`,
    ...[alone, daemon].flatMap((times, index) => [
      `${`last 7 days, ${index ? "by the daemon" : "the whole command"}`.padEnd(34)}${seconds(times.week.first)}${seconds(times.week.median)}`,
      `${`everything, ${index ? "by the daemon" : "the whole command"}`.padEnd(34)}${seconds(times.all.first)}${seconds(times.all.median)}`,
    ]),
    "",
    `${`acks at ${whole(capacity / 2)}/s, half of the most`.padEnd(34)}${"p50 ms".padStart(8)}${"p99 ms".padStart(8)}${"of quiet".padStart(9)}`,
    row("  without analyses", quiet),
    row(`  beside ${week.analyses.length} of 7 days`, week),
    row(`  beside ${all.analyses.length} of everything`, all),
  ];
}
