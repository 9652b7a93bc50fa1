/**
 * `npm run bench:upkeep`: what senders notice of a deletion of a tenth of the store under half of the load that the daemon
 * takes, and how long SQLite's write lock is held at once; on files, what the deletion of whole days costs beside the
 * unlinking of as many files.
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
  --patterns N      in the store, over 100 days: a tenth of them is deleted (500000)
  --seconds S       how long the load is measured before the deletion (10)
  --job-seconds S   how long it is measured during the deletion, which is not waited for then (to its end)
  --rate R          patterns a second of the load (half of what the daemon was measured to take)
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk; in a tmpfs nothing is durable (/var/tmp)
  --json FILE       also keep every figure there`;
const DAY_MS = 86_400_000;
const DAYS = 100;
const PROBE_LINES = 40_000;
/** A kernel writes what was changed half a minute after that: before then a load has the disk for itself. */
const CAPACITY_MS = 90_000;
const SETTLE_MS = 15_000;
const program = (name) => fileURLToPath(new URL(name, import.meta.url));

await runBenchmark({ readOptions, usage: USAGE, bench });

/** @param {readonly string[]} args */
function readOptions(args) {
  return readNumbers(args, { patterns: 500_000, seconds: 10, jobSeconds: undefined, rate: undefined });
}

/**
 * @param {ReturnType<typeof readOptions>} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 * @param {AbortSignal} signal
 */
async function bench({ patterns, seconds, jobSeconds, rate, backends, json }, scratch, children, signal) {
  const file = join(scratch, "patterns.ndjson");
  const firstMs = Date.now() - DAYS * DAY_MS;
  await generatePatterns(file, patterns, signal, { firstMs, spanMs: DAYS * DAY_MS });
  const probe = join(scratch, "probe.ndjson");
  await generatePatterns(probe, PROBE_LINES, signal, { firstMs: Date.now() - 60_000, spanMs: 60_000 });
  const lines = readFileSync(probe, "utf8").trimEnd().split("\n");
  const machine = describeMachine(scratch);
  console.log(
    [
      ...machineLines(machine),
      `patterns  ${patterns.toLocaleString("en")}, a tenth of them to be deleted\n`,
    ].join("\n"),
  );
  const figures = [];
  for (const backend of backends) {
    const folder = join(scratch, backend);
    mkdirSync(join(folder, "patternd"), { recursive: true });
    const path = join(folder, "patternd", "patterns");
    await children.run(program("upkeep/fill.mjs"), [backend, path, file]);
    const unlinking = backend === "filesystem" ? await measureWholeDays(children, path, scratch) : undefined;
    const figure = await measure(children, { backend, folder, probe, lines, seconds, jobSeconds, rate });
    figures.push({ backend, ...figure, ...unlinking });
    report(figures.at(-1));
  }
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ machine, patterns, figures }, null, 2)}\n`);
}

async function measure(children, options) {
  const { backend, folder, probe, lines, seconds, jobSeconds, rate: wantedRate } = options;
  const watched = join(folder, "longest.json");
  const watch = `${pathToFileURL(program("upkeep/watch.mjs"))}?${encodeURIComponent(watched)}`;
  const nodeOptions = backend === "sqlite" ? ["--import", watch] : [];
  const { ingest, stop } = await startDaemon(children, { backend, folder, nodeOptions });
  const control = join(folder, "patternd", "control.sock");
  const capacity = await measureCapacity(children, { ingest, control, probe, lines });
  const rate = wantedRate ?? Math.round(capacity / 2);
  const load = await startLoad(ingest, lines, rate);
  await setTimeout(SETTLE_MS);
  const quietFrom = performance.now();
  await setTimeout(seconds * 1_000);
  const jobFrom = performance.now();
  const asked = ask(control, "POST", "/v1/jobs/retention");
  const job = await (jobSeconds === undefined
    ? asked
    : Promise.race([asked, setTimeout(jobSeconds * 1_000)]));
  const jobTo = performance.now();
  const { jobs } = await ask(control, "GET", "/health");
  const soFar = jobs.retention.running?.done;
  await setTimeout(500);
  await load.stop();
  // A job that goes on ends with the daemon.
  asked.catch(() => {});
  await stop();
  return {
    capacity: Math.round(capacity),
    rate,
    quiet: quantiles(load.latencies(quietFrom, jobFrom)),
    during: quantiles(load.latencies(jobFrom, jobTo)),
    job,
    soFar,
    longestMs: backend === "sqlite" ? JSON.parse(readFileSync(watched, "utf8")) : undefined,
  };
}

/**
 * Patterns a second that the daemon takes for as long as one likes: until they are in the store, beyond what the spool and
 * an empty WAL take in a burst.
 */
async function measureCapacity(children, { ingest, control, probe, lines }) {
  const began = performance.now();
  let sent = 0;
  do {
    const anew = lines.map((line) => `${line.replace(ID, `"pattern_id":"${randomUUID()}"`)}\n`);
    await writeFile(probe, anew.join(""));
    await children.run(program("send.mjs"), [ingest, probe, "1"]);
    sent += lines.length;
  } while (performance.now() - began < CAPACITY_MS);
  while ((await ask(control, "GET", "/health")).spool.lines > 0) await setTimeout(50);
  return sent / ((performance.now() - began) / 1_000);
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

function report({ backend, capacity, rate, quiet, during, job, soFar, longestMs, wholeDays }) {
  const ms = ({ p50, p99, max }) => `${p50.toFixed(1)} / ${p99.toFixed(1)} / ${max.toFixed(1)}`;
  console.log(`${backend}: ${rate.toLocaleString("en")} patterns/s of ${capacity.toLocaleString("en")}`);
  console.log(
    `  ack p50 / p99 / max, ms   quiet ${ms(quiet)}   during the job ${ms(during)}   p99 ${(during.p99 / quiet.p99).toFixed(2)} times`,
  );
  if (!job)
    console.log(
      `  the job                   was not waited for: ${soFar?.toLocaleString("en")} patterns so far`,
    );
  else
    console.log(
      `  the job                   ${job.patterns.toLocaleString("en")} patterns in ${(job.ms / 1000).toFixed(1)} s, ${job.bytes_before.toLocaleString("en")} to ${job.bytes_after.toLocaleString("en")} bytes`,
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
