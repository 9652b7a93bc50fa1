/**
 * `npm run bench:memory`: how much memory the daemon holds, minute by minute, while a sender gives it all that it takes.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startDaemon } from "./daemon.mjs";
import { generatePatterns } from "./generate.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { readNumbers } from "./options.mjs";
import { aligned, machineLines, mebibytes, whole } from "./report.mjs";
import { usageOf } from "./usage.mjs";

const USAGE = `node bench/memory.mjs [options]
  --minutes M       how long (10)
  --lines N         patterns on a connection (500000)
  --pause-ms MS     from a receipt to the next connection (0); ten minutes without a pause are 60 GB of files
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk (/var/tmp)
  --json FILE       also keep every figure there`;
const FLOOD = fileURLToPath(new URL("memory/flood.mjs", import.meta.url));
const SAMPLE_MS = 1_000;
const MINUTE_MS = 60_000;

await runBenchmark({
  readOptions: (args) => readNumbers(args, { minutes: 10, lines: 500_000, pauseMs: undefined }),
  usage: USAGE,
  bench,
});

/**
 * @param {ReturnType<typeof readNumbers> & { minutes: number, lines: number, pauseMs?: number, json?: string }} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 * @param {AbortSignal} signal
 */
async function bench({ minutes, lines, pauseMs = 0, backends, json }, scratch, children, signal) {
  const patterns = join(scratch, "patterns.ndjson");
  await generatePatterns(patterns, lines, signal);
  const machine = describeMachine(scratch);
  console.log([...machineLines(machine), ""].join("\n"));
  const figures = [];
  for (const backend of backends) {
    const folder = join(scratch, backend);
    await mkdir(folder);
    const { pid, ingest, stop } = await startDaemon(children, { backend, folder });
    const { child, status } = children.start([FLOOD, ingest, patterns, String(pauseMs)]);
    let isSending = true;
    const ended = () => {
      isSending = false;
    };
    status.then(ended, ended);
    let stored = 0;
    createInterface(child.stdout).on("line", (line) => {
      stored += Number(line);
    });
    const rows = [["", "patterns", "median", "most", "most so far"]];
    for (let minute = 1; minute <= minutes; minute += 1) {
      const samples = await samplesOf(pid, signal);
      if (!isSending) throw new Error("the sender ended: no figure is given");
      const { peakRssBytes } = usageOf(pid);
      const figure = { backend, minute, stored, samples, peakRssBytes };
      figures.push(figure);
      const [median = 0, most = 0] = [samples[Math.floor(samples.length / 2)], samples.at(-1)];
      rows.push([
        `${backend}, minute ${minute}`,
        whole(stored),
        ...[median, most, peakRssBytes].map(mebibytes),
      ]);
    }
    child.kill("SIGKILL");
    await stop();
    console.log(`${aligned(rows).join("\n")}\n`);
  }
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ machine, lines, figures }, null, 2)}\n`);
}

/**
 * @param {number | undefined} pid
 * @param {AbortSignal} signal
 * @returns {Promise<number[]>} a minute of RSS, in bytes, the least first
 */
async function samplesOf(pid, signal) {
  const samples = [];
  for (const end = performance.now() + MINUTE_MS; performance.now() < end; ) {
    samples.push(usageOf(pid).rssBytes);
    await setTimeout(SAMPLE_MS, undefined, { signal });
  }
  return samples.sort((a, b) => a - b);
}
