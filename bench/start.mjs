/**
 * `npm run bench:start`: how long the daemon takes until it is ready, and what it holds when nobody asks anything, beside
 * a Node that does nothing; and how long `--help` takes. In turns.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { PROGRAM, startDaemon } from "./daemon.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { readNumbers } from "./options.mjs";
import { aligned, machineLines, mebibytes, median } from "./report.mjs";
import { timed } from "./timed.mjs";
import { usageOf } from "./usage.mjs";

const USAGE = `node bench/start.mjs [options]
  --rounds R        how often each is started; the figures are medians (7)
  --idle-ms MS      how long the daemon is left alone before its memory is read (15000); the engine gives back memory after ten seconds
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk; in a tmpfs nothing is durable (/var/tmp)
  --json FILE       also keep every figure there`;

await runBenchmark({
  readOptions: (args) => readNumbers(args, { rounds: 7, idleMs: 15_000 }),
  usage: USAGE,
  bench,
});

/**
 * @param {ReturnType<typeof readNumbers> & { rounds: number, idleMs: number, json?: string }} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 */
async function bench({ rounds, idleMs, backends, json }, scratch, children) {
  /** @type {Record<string, { ms: number[], rssBytes: number[] }>} */
  const figures = {};
  const note = (
    /** @type {string} */ name,
    /** @type {number} */ ms,
    /** @type {number} */ rssBytes = Number.NaN,
  ) => {
    figures[name] ??= { ms: [], rssBytes: [] };
    figures[name].ms.push(ms);
    figures[name].rssBytes.push(rssBytes);
  };
  for (let round = 0; round < rounds; round += 1) {
    note("node -e 0", await timed(() => ended(children, ["-e", "0"])));
    note("patternd --help", await timed(() => ended(children, [PROGRAM, "--help"])));
    for (const backend of backends) {
      const folder = join(scratch, `${backend}${round}`);
      await mkdir(folder);
      let daemon = { pid: /** @type {number | undefined} */ (undefined), stop: async () => {} };
      const ms = await timed(async () => {
        daemon = await startDaemon(children, { backend, folder });
      });
      await setTimeout(idleMs);
      note(`${backend} ready`, ms, usageOf(daemon.pid).rssBytes);
      await daemon.stop();
    }
  }
  const machine = describeMachine(scratch);
  console.log([...machineLines(machine), `started   ${rounds} times each, on an empty store\n`].join("\n"));
  const [bare = Number.NaN] = Object.values(figures).map(({ ms }) => median(ms));
  const rows = Object.entries(figures).map(([name, { ms, rssBytes }]) => {
    const rss = median(rssBytes);
    const times = [median(ms).toFixed(0), (median(ms) / bare).toFixed(1)];
    return [name, ...times, Number.isNaN(rss) ? "" : mebibytes(rss)];
  });
  console.log(aligned([["", "ms (p50)", "of node", "RSS, idle"], ...rows]).join("\n"));
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ machine, figures }, null, 2)}\n`);
}

/** @param {import("./children.mjs").Children} children @param {readonly string[]} args */
async function ended(children, args) {
  const { child, status } = children.start(["--max-semi-space-size=1", ...args]);
  child.stdout.resume();
  const code = await status;
  if (code !== 0) throw new Error(`${args.join(" ")} ended with status ${code}`);
}
