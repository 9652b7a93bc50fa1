/**
 * `npm run bench:store`: what the stores themselves do at several sizes, through the built library and backends.
 * On Linux. Options: store/options.mjs; what is measured: docs/performance.md.
 */
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import { generatePatterns } from "./generate.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { measureDay, measureStore } from "./store/measure.mjs";
import { readOptions, USAGE } from "./store/options.mjs";
import { DAY_MS, DAYS, FIRST_MS, RARE_TAGS } from "./store/questions.mjs";
import { describeReport } from "./store/report.mjs";

await runBenchmark({ readOptions, usage: USAGE, bench });

/**
 * @param {ReturnType<typeof readOptions>} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 * @param {AbortSignal} signal
 */
async function bench(options, scratch, children, signal) {
  // Before the run: what it does itself says nothing about its neighbours.
  const [load = 0] = loadavg();
  const machine = describeMachine(scratch);
  const started = performance.now();
  const patterns = join(scratch, "patterns.ndjson");
  const folder = join(scratch, "store");
  /**
   * @template T
   * @param {number} lines
   * @param {Partial<import("./generate.mjs").Spread>} spread
   * @param {(subject: { backend: string, folder: string, patterns: string, lines: number }) => Promise<T>} measure
   */
  const ofEach = async (lines, spread, measure) => {
    await generatePatterns(patterns, lines, signal, spread);
    const figures = [];
    for (const backend of options.backends) {
      console.error(`${backend}: ${lines} patterns`);
      await mkdir(folder);
      figures.push(await measure({ backend, folder, patterns, lines }));
      await rm(folder, { recursive: true });
    }
    return figures;
  };

  const stores = [];
  let lineBytes = 0;
  for (const size of options.sizes) {
    const spread = { firstMs: FIRST_MS, spanMs: DAYS * DAY_MS, ...RARE_TAGS };
    stores.push(...(await ofEach(size, spread, (subject) => measureStore(children, subject))));
    lineBytes = (await stat(patterns)).size / size;
  }
  const days = [];
  for (const [name, spanMs] of /** @type {const} */ ([
    ["on one day", DAY_MS],
    ["at one moment", 0],
  ])) {
    const spread = { firstMs: FIRST_MS, spanMs };
    days.push(
      ...(await ofEach(options.day, spread, (subject) => measureDay(children, { ...subject, name }))),
    );
  }
  const seconds = (performance.now() - started) / 1000;
  const report = { machine, load, seconds, lineBytes, stores, days };
  console.log(describeReport(report));
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
}
