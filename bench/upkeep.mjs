/**
 * `npm run bench:upkeep`: what senders notice of deletions under half of the load that the daemon takes, and how long
 * SQLite's write lock is held at once; on files, what the deletion of whole days costs beside the unlinking of the same
 * files. Quiet times lie before, between and after the runs: a disk has better and worse minutes, and so they meet both.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { startDaemon } from "./daemon.mjs";
import { generatePatterns } from "./generate.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { readNumbers } from "./options.mjs";
import { machineLines } from "./report.mjs";
import { ID, startLoad } from "./upkeep/load.mjs";
import { measureWholeDays } from "./upkeep/whole-days.mjs";

const USAGE = `node bench/upkeep.mjs [options]
  --patterns N      in the store, over 100 days (500000)
  --seconds S       how long the load is measured before, between and after the runs: one of ten days on files, ten of
                    at most 10,000 patterns on SQLite (10)
  --rate R          patterns a second of the load (half of what the daemon takes, which is measured first)
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk; in a tmpfs nothing is durable (/var/tmp)
  --json FILE       also keep every figure there`;
const DAY_MS = 86_400_000;
const DAYS = 100;
/** On files these go in one run, as they do at night; on SQLite so many parts do. */
const WHOLE_DAYS = 10;
const PARTS = 10;
const PART_PATTERNS = 10_000;
const PROBE_LINES = 40_000;
/**
 * What a daemon takes in its first minutes it does not take for good: a kernel begins to write what was changed half a
 * minute later, and a disk that is rented is faster at first.
 */
const BURST_MS = 150_000;
const CAPACITY_MS = 90_000;
const SETTLE_MS = 15_000;
/** What a job has left to do is no part of the quiet after it. */
const AFTER_MS = 2_000;
const program = (name) => fileURLToPath(new URL(name, import.meta.url));

await runBenchmark({ readOptions, usage: USAGE, bench });

/** @param {readonly string[]} args */
function readOptions(args) {
  return readNumbers(args, { patterns: 500_000, seconds: 10, rate: undefined });
}

/**
 * @param {ReturnType<typeof readOptions>} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 * @param {AbortSignal} signal
 */
async function bench({ patterns, seconds, rate, backends, json }, scratch, children, signal) {
  const file = join(scratch, "patterns.ndjson");
  const firstMs = Date.now() - DAYS * DAY_MS;
  await generatePatterns(file, patterns, signal, { firstMs, spanMs: DAYS * DAY_MS });
  const probe = join(scratch, "probe.ndjson");
  await generatePatterns(probe, PROBE_LINES, signal, { firstMs: Date.now() - 60_000, spanMs: 60_000 });
  const lines = readFileSync(probe, "utf8").trimEnd().split("\n");
  const machine = describeMachine(scratch);
  console.log(
    [...machineLines(machine), `patterns  ${patterns.toLocaleString("en")}, of ${DAYS} days\n`].join("\n"),
  );
  const figures = [];
  for (const backend of backends) {
    const folder = join(scratch, backend);
    mkdirSync(join(folder, "patternd"), { recursive: true });
    const path = join(folder, "patternd", "patterns");
    await children.run(program("upkeep/fill.mjs"), [backend, path, file]);
    const unlinking = backend === "filesystem" ? await measureWholeDays(children, path, scratch) : undefined;
    const cuts = cutsOf(backend, patterns, firstMs);
    const figure = await measure(children, { backend, folder, probe, lines, seconds, rate, cuts });
    figures.push({ backend, ...figure, ...unlinking });
    report(figures.at(-1));
  }
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ machine, patterns, figures }, null, 2)}\n`);
}

async function measure(children, options) {
  const { backend, folder, probe, lines, seconds, rate: wantedRate, cuts } = options;
  const watched = join(folder, "longest.json");
  const watch = `${pathToFileURL(program("upkeep/watch.mjs"))}?${encodeURIComponent(watched)}`;
  const nodeOptions = backend === "sqlite" ? ["--import", watch] : [];
  const { ingest, stop } = await startDaemon(children, { backend, folder, nodeOptions });
  const control = join(folder, "patternd", "control.sock");
  const flood = () => measureCapacity(children, { ingest, control, probe, lines });
  // What answers is loaded with the first question, which is not to be that of the job.
  await ask(control, "GET", "/health");
  const capacity = wantedRate === undefined ? Math.round(await flood()) : undefined;
  const rate = wantedRate ?? Math.round((capacity ?? 0) / 2);
  const load = await startLoad(ingest, lines, rate);
  await setTimeout(SETTLE_MS);
  /** @param {() => Promise<any>} work */
  const during = async (work) => {
    const from = performance.now();
    const answer = await work();
    return { from, to: performance.now(), answer };
  };
  const quiet = [];
  const jobs = [];
  for (const cut of cuts) {
    quiet.push(await during(() => setTimeout(seconds * 1_000)));
    const days = ((Date.now() - cut) / DAY_MS).toFixed(9);
    jobs.push(await during(() => ask(control, "POST", `/v1/jobs/retention?days=${days}`)));
    await setTimeout(AFTER_MS);
  }
  quiet.push(await during(() => setTimeout(seconds * 1_000)));
  await load.stop();
  await stop();
  return {
    capacity,
    rate,
    quiet: quantiles(quiet.flatMap(({ from, to }) => load.latencies(from, to))),
    during: quantiles(jobs.flatMap(({ from, to }) => load.latencies(from, to))),
    jobs: jobs.map(({ answer }) => answer),
    longestMs: backend === "sqlite" ? JSON.parse(readFileSync(watched, "utf8")) : undefined,
  };
}

/**
 * Up to where each part of the deletion goes: milliseconds since the epoch.
 *
 * @param {string} backend @param {number} patterns @param {number} firstMs
 */
function cutsOf(backend, patterns, firstMs) {
  if (backend !== "sqlite") return [(Math.floor(firstMs / DAY_MS) + WHOLE_DAYS) * DAY_MS];
  const partMs = Math.min(1, (PART_PATTERNS * DAYS) / patterns) * DAY_MS;
  return Array.from({ length: PARTS }, (_, part) => firstMs + (part + 1) * partMs);
}

/** Patterns a second that the daemon takes for as long as one likes: until they are in the store, not only in the spool. */
async function measureCapacity(children, { ingest, control, probe, lines }) {
  /** @param {number} ms */
  const floodFor = async (ms) => {
    const began = performance.now();
    let sent = 0;
    do {
      const anew = lines.map((line) => `${line.replace(ID, `"pattern_id":"${randomUUID()}"`)}\n`);
      await writeFile(probe, anew.join(""));
      await children.run(program("send.mjs"), [ingest, probe, "1"]);
      sent += lines.length;
    } while (performance.now() - began < ms);
    while ((await ask(control, "GET", "/health")).spool.lines > 0) await setTimeout(50);
    return sent / ((performance.now() - began) / 1_000);
  };
  await floodFor(BURST_MS);
  return floodFor(CAPACITY_MS);
}

function ask(socketPath, method, path) {
  return new Promise((resolve, reject) => {
    const asked = request({ method, socketPath, path }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => {
        resolve(JSON.parse(body));
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}

function report({ backend, capacity, rate, quiet, during, jobs, longestMs, wholeDays }) {
  const ms = ({ p50, p99, max }) => `${p50.toFixed(1)} / ${p99.toFixed(1)} / ${max.toFixed(1)}`;
  const of = capacity === undefined ? "" : ` of ${capacity.toLocaleString("en")}`;
  console.log(`${backend}: ${rate.toLocaleString("en")} patterns/s${of}`);
  console.log(
    `  ack p50 / p99 / max, ms   quiet ${ms(quiet)}   during the jobs ${ms(during)}   p99 ${(during.p99 / quiet.p99).toFixed(2)} times`,
  );
  const patterns = jobs.reduce((sum, job) => sum + job.patterns, 0);
  const seconds = jobs.reduce((sum, job) => sum + job.ms, 0) / 1_000;
  console.log(
    `  the jobs                  ${jobs.length}: ${patterns.toLocaleString("en")} patterns in ${seconds.toFixed(1)} s`,
  );
  if (longestMs)
    console.log(
      `  write lock, longest, ms   the job ${longestMs.job.toFixed(1)}, a batch of patterns ${longestMs.batch.toFixed(1)}`,
    );
  if (wholeDays) {
    const { days, deletionMs, unlinkingMs, durableMs } = wholeDays;
    console.log(
      `  whole days, without load  ${days} days: ${deletionMs.toFixed(0)} ms; unlinking alone ${unlinkingMs.toFixed(0)} ms, with fsync of its folders ${durableMs.toFixed(0)} ms: ${(deletionMs / durableMs).toFixed(2)} times (medians)`,
    );
  }
}

function quantiles(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0, count: sorted.length };
}
