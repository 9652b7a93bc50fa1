/**
 * `npm run bench:growth`: how fast a store takes patterns when it is small, and when it holds many. The store alone, in
 * batches as the daemon makes them, each durable; the patterns come in the order of time and have random ids.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PatternParser } from "../dist/pattern/parse.js";
import { Zone } from "../dist/pattern/zone.js";
import { openStore } from "../dist/store/open.js";
import { generatePatterns } from "./generate.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { readNumbers } from "./options.mjs";
import { aligned, machineLines, whole } from "./report.mjs";
import { batchesOf } from "./store/lines.mjs";

const USAGE = `node bench/growth.mjs [options]
  --patterns N      how many the store holds at last (10000000)
  --window N        over how many patterns a speed is taken (500000)
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk; in a tmpfs nothing is durable (/var/tmp)
  --json FILE       also keep every figure there`;
const DAY_MS = 86_400_000;
const DAYS = 90;
const BATCH = 5_000;
/** Before them the engine compiles, and the store makes its files. */
const FIRST = 100_000;

await runBenchmark({
  readOptions: (args) => readNumbers(args, { patterns: 10_000_000, window: 500_000 }),
  usage: USAGE,
  bench,
});

/**
 * @param {ReturnType<typeof readNumbers> & { patterns: number, window: number, json?: string }} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} _children
 * @param {AbortSignal} signal
 */
async function bench({ patterns, window, backends, json }, scratch, _children, signal) {
  const file = join(scratch, "patterns.ndjson");
  const spread = { firstMs: Date.now() - DAYS * DAY_MS, spanMs: DAYS * DAY_MS };
  await generatePatterns(file, patterns, signal, spread);
  const machine = describeMachine(scratch);
  console.log([...machineLines(machine), ""].join("\n"));
  const figures = [];
  for (const backend of backends) {
    const folder = join(scratch, backend);
    await mkdir(folder);
    const speeds = await speedsOf(backend, join(folder, "store"), { file, window, signal });
    await rm(folder, { recursive: true });
    figures.push({ backend, speeds });
    const [small = 0] = speeds.map(({ perSecond }) => perSecond);
    const rows = speeds.map(({ from, perSecond }) => [
      `${backend}, ${whole(from)} stored`,
      `${whole(perSecond)}/s`,
      (perSecond / small).toFixed(2),
    ]);
    console.log(aligned(rows).join("\n"));
  }
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ machine, patterns, figures }, null, 2)}\n`);
}

/**
 * One window after the other, from FIRST patterns on. Only writing counts.
 *
 * @param {string} backend
 * @param {string} path
 * @param {{ file: string, window: number, signal: AbortSignal }} load
 */
async function speedsOf(backend, path, { file, window, signal }) {
  const store = await openStore(backend, { path, durability: "fsync", timezone: "UTC", readOnly: false });
  const speeds = [];
  let stored = 0;
  let from = FIRST;
  let ms = 0;
  for (const batch of batchesIn(file)) {
    signal.throwIfAborted();
    const began = performance.now();
    await store.write(batch);
    ms += performance.now() - began;
    const before = stored;
    stored += batch.length;
    if (before < FIRST && stored >= FIRST) [from, ms] = [stored, 0];
    if (stored - from < window || stored < FIRST) continue;
    speeds.push({ from, perSecond: (stored - from) / (ms / 1_000) });
    [from, ms] = [stored, 0];
  }
  await store.close();
  return speeds;
}

/** @param {string} file */
function* batchesIn(file) {
  const parser = new PatternParser({ zone: new Zone("UTC") });
  for (const lines of batchesOf(file)) {
    const patterns = lines.map((line) => {
      const parsed = parser.parseLine(line);
      if (parsed.kind !== "pattern") throw new Error(`expected a pattern, got ${line}`);
      return parsed.pattern;
    });
    for (let at = 0; at < patterns.length; at += BATCH) yield patterns.slice(at, at + BATCH);
  }
}
