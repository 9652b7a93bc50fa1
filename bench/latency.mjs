/**
 * `npm run bench:latency`: how long a sender waits for the acknowledgement of one pattern from an idle daemon,
 * beside what one durable append, or one durable insertion into the same tables, takes on the same disk. In turns.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { PatternParser } from "../dist/pattern/parse.js";
import { Zone } from "../dist/pattern/zone.js";
import { openStore } from "../dist/store/open.js";
import { startDaemon } from "./daemon.mjs";
import { generatePatterns } from "./generate.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { BACKENDS, count, known } from "./options.mjs";
import { machineLines } from "./report.mjs";

const USAGE = `node bench/latency.mjs [options]
  --patterns N      how many are sent, one at a time (1000)
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk; in a tmpfs nothing is durable (/var/tmp)
  --json FILE       also keep every figure there`;
const WARM_UP = 100;
/** An idle daemon is one whose last pattern is a while ago. */
const PAUSE_MS = 2;

await runBenchmark({ readOptions, usage: USAGE, bench });

/** @param {readonly string[]} args */
function readOptions(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      patterns: { type: "string", default: "1000" },
      backend: { type: "string", multiple: true, default: BACKENDS },
      folder: { type: "string", default: "/var/tmp" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const { patterns, backend, folder, ...rest } = values;
  return {
    ...rest,
    patterns: count("--patterns", patterns),
    backends: known(backend),
    folder: resolve(folder),
  };
}

/**
 * @param {ReturnType<typeof readOptions>} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 * @param {AbortSignal} signal
 */
async function bench({ patterns, backends, json }, scratch, children, signal) {
  const file = join(scratch, "patterns.ndjson");
  await generatePatterns(file, patterns + WARM_UP, signal);
  const lines = (await readFile(file, "utf8")).split("\n").slice(0, -1);
  const figures = [];
  for (const backend of backends) {
    const folder = join(scratch, backend);
    await mkdir(folder);
    const { ingest, stop } = await startDaemon(children, { backend, folder });
    const acked = await ackingSender(ingest);
    const bare = backend === "filesystem" ? bareAppend(folder) : await bareInsert(folder);
    const times = { acked: /** @type {number[]} */ ([]), bare: /** @type {number[]} */ ([]) };
    let sent = 0;
    for (const line of lines) {
      // Both after a pause: what has just been used is faster.
      const first = await timed(() => acked.send(line));
      await pause();
      const second = await timed(() => bare.write(line));
      await pause();
      sent += 1;
      if (sent > WARM_UP) {
        times.acked.push(first);
        times.bare.push(second);
      }
    }
    await acked.close();
    await bare.close();
    await stop();
    figures.push({ backend, acked: quantiles(times.acked), bare: quantiles(times.bare) });
  }
  const machine = describeMachine(scratch);
  console.log([...machineLines(machine), `sent      ${patterns} patterns, one at a time\n`].join("\n"));
  console.log("                      p50 ms   p99 ms   of bare (p50)");
  for (const { backend, acked, bare } of figures) {
    row(`${backend} acked`, acked, acked.p50 / bare.p50);
    row(`${backend} bare`, bare);
  }
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ machine, patterns, figures }, null, 2)}\n`);
}

/** @param {string} name @param {{ p50: number, p99: number }} times @param {number} [ratio] */
function row(name, { p50, p99 }, ratio) {
  const last = ratio === undefined ? "" : `   ${ratio.toFixed(2).padStart(13)}`;
  console.log(`${name.padEnd(20)}${p50.toFixed(2).padStart(8)}${p99.toFixed(2).padStart(9)}${last}`);
}

/** A connection that says hello: `send` resolves when the line is acknowledged. @param {string} path */
async function ackingSender(path) {
  const socket = connect(path);
  const replies = createInterface(socket)[Symbol.asyncIterator]();
  socket.write('{"hello":1,"ack":true}\n');
  await replies.next();
  return {
    /** @param {string} line */
    async send(line) {
      socket.write(`${line}\n`);
      const { value } = await replies.next();
      if (!value?.startsWith('{"ack":')) throw new Error(`expected an acknowledgement, got ${value}`);
    },
    async close() {
      socket.destroy();
    },
  };
}

/** @param {string} folder */
function bareAppend(folder) {
  const file = openSync(join(folder, "bare.ndjson"), "a");
  return {
    /** @param {string} line */
    async write(line) {
      writeSync(file, `${line}\n`);
      fdatasyncSync(file);
    },
    async close() {
      closeSync(file);
    },
  };
}

/** @param {string} folder */
async function bareInsert(folder) {
  const path = join(folder, "bare.db");
  const store = await openStore("sqlite", { path, durability: "fsync", timezone: "UTC", readOnly: false });
  const parser = new PatternParser({ zone: new Zone("UTC") });
  return {
    /** @param {string} line */
    async write(line) {
      const parsed = parser.parseLine(Buffer.from(line));
      if (parsed.kind !== "pattern") throw new Error(`expected a pattern, got ${line}`);
      await store.write([parsed.pattern]);
    },
    close: () => store.close(),
  };
}

function pause() {
  return new Promise((done) => setTimeout(done, PAUSE_MS));
}

/** @param {() => Promise<void>} work @returns {Promise<number>} milliseconds */
async function timed(work) {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** @param {number[]} times */
function quantiles(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (/** @type {number} */ share) => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}
