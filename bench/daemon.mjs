import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { usageOf } from "./usage.mjs";

export const PROGRAM = fileURLToPath(new URL("../dist/patternd.cjs", import.meta.url));
const SENDER = fileURLToPath(new URL("send.mjs", import.meta.url));

/**
 * Starts the daemon, sends it the patterns and stops it.
 *
 * @param {import("./children.mjs").Children} children
 * @param {object} run
 * @param {string} run.backend
 * @param {string} run.folder empty; its path is short enough for sockets in it
 * @param {string} run.patterns NDJSON file
 * @param {number} run.lines how many there are in it
 * @param {number} run.connections
 * @param {string} [run.profiles] folder for CPU profiles, one a thread; profiling costs speed
 * @returns {Promise<{ seconds: number, cpuSeconds: number, peakRssBytes: number }>}
 *   from the first connect to the last receipt; the peak is the process's whole life
 */
export async function measureDaemon(children, { backend, folder, patterns, lines, connections, profiles }) {
  const nodeOptions = profiles === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profiles}`];
  const { pid, ingest, stop } = await startDaemon(children, { backend, folder, nodeOptions });

  const before = usageOf(pid);
  const { seconds, receipts } = await children.run(SENDER, [ingest, patterns, String(connections)]);
  const { cpuSeconds, peakRssBytes } = usageOf(pid);
  checkReceipts(receipts, lines);
  await stop();
  return { seconds, cpuSeconds: cpuSeconds - before.cpuSeconds, peakRssBytes };
}

/**
 * Starts the daemon with its defaults on an empty state folder.
 *
 * @param {import("./children.mjs").Children} children
 * @param {{ backend: string, folder: string, path?: string, nodeOptions?: readonly string[] }} options the folder's path
 *   is short enough for sockets in it; `path`: of a store that is there already
 * @returns {Promise<{ pid: number | undefined, ingest: string, stop: () => Promise<void> }>}
 */
export async function startDaemon(children, { backend, folder, path, nodeOptions = [] }) {
  const config = join(folder, "config.json");
  await writeFile(config, JSON.stringify({ backend, path }));
  const { child, status } = children.start(
    ["--max-semi-space-size=1", ...nodeOptions, PROGRAM, "start", "--config", config],
    {
      XDG_STATE_HOME: folder,
      XDG_RUNTIME_DIR: folder,
      MALLOC_MMAP_THRESHOLD_: "262144",
    },
  );
  const ingest = await ingestSocket(child.stdout);
  const stop = async () => {
    child.kill("SIGTERM");
    const code = await status;
    if (code !== 0) throw new Error(`the daemon ended with status ${code} after SIGTERM, expected 0`);
  };
  return { pid: child.pid, ingest, stop };
}

/**
 * @param {import("node:stream").Readable} log
 * @returns {Promise<string>} where the daemon takes patterns, once it does
 */
function ingestSocket(log) {
  return new Promise((resolve, reject) => {
    const tooEarly = () => reject(new Error("the daemon ended before it took patterns"));
    followLog(log, resolve).then(tooEarly, reject);
  });
}

/**
 * Reads the log to its end, so that the daemon never waits for its reader, and shows what it complains about.
 *
 * @param {import("node:stream").Readable} log
 * @param {(socket: string) => void} onStarted
 */
async function followLog(log, onStarted) {
  for await (const line of createInterface(log)) {
    const { level, event, ingest } = JSON.parse(line);
    if (level === "warn" || level === "error") console.error(line);
    if (event === "daemon.started") onStarted(ingest);
  }
}

/**
 * @param {readonly { lines: number, stored: number }[]} receipts
 * @param {number} lines
 */
function checkReceipts(receipts, lines) {
  const sum = { lines: 0, stored: 0 };
  for (const receipt of receipts) {
    sum.lines += receipt.lines;
    sum.stored += receipt.stored;
  }
  if (sum.lines === lines && sum.stored === lines) return;
  throw new Error(
    `sent ${lines} patterns, but the receipts say ${sum.lines} lines and ${sum.stored} stored: no figure is given`,
  );
}
