/**
 * `npm run bench:latency`: how long a sender waits for the acknowledgement of one pattern from an idle daemon,
 * beside what one durable append, or one durable insertion into the same tables, takes on the same disk, and beside
 * a process that appends without looking (bare-server.mjs). In turns.
 */
import { once } from "node:events";
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PatternParser } from "../dist/pattern/parse.js";
import { Zone } from "../dist/pattern/zone.js";
import { openStore } from "../dist/store/open.js";
import { startDaemon } from "./daemon.mjs";
import { generatePatterns } from "./generate.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { readNumbers } from "./options.mjs";
import { machineLines } from "./report.mjs";
import { timed } from "./timed.mjs";

const USAGE = `node bench/latency.mjs [options]
  --patterns N      how many are sent, one at a time (1000)
  --turn N          so many one after the other without a pause, before it is another's turn (1)
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk; in a tmpfs nothing is durable (/var/tmp)
  --json FILE       also keep every figure there`;
const BARE_SERVER = fileURLToPath(new URL("bare-server.mjs", import.meta.url));
const WARM_UP = 100;
/** An idle daemon is one whose last pattern is a while ago. */
const PAUSE_MS = 2;

await runBenchmark({ readOptions, usage: USAGE, bench });

/** @param {readonly string[]} args */
function readOptions(args) {
  return readNumbers(args, { patterns: 1_000, turn: 1 });
}

/**
 * @param {ReturnType<typeof readOptions>} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 * @param {AbortSignal} signal
 */
async function bench({ patterns, turn, backends, json }, scratch, children, signal) {
  const file = join(scratch, "patterns.ndjson");
  await generatePatterns(file, patterns + WARM_UP, signal);
  const lines = (await readFile(file, "utf8")).split("\n").slice(0, -1);
  const figures = [];
  for (const backend of backends) {
    const folder = join(scratch, backend);
    await mkdir(folder);
    const { ingest, stop } = await startDaemon(children, { backend, folder });
    const ways = {
      acked: await ackingSender(ingest, '{"hello":1,"ack":true}\n'),
      bare: backend === "filesystem" ? bareAppend(folder) : await bareInsert(folder),
      server: await ackingSender(await bareServer(children, folder), "first\n"),
    };
    /** @type {Record<keyof typeof ways, number[]>} */
    const times = { acked: [], bare: [], server: [] };
    for (let from = 0; from < lines.length; from += turn) {
      for (const [name, { write }] of Object.entries(ways)) {
        // What has just been used is faster.
        await pause();
        for (const line of lines.slice(from, from + turn))
          times[/** @type {keyof typeof ways} */ (name)].push(await timed(() => write(line)));
      }
    }
    for (const { close } of Object.values(ways)) await close();
    await stop();
    const counted = (/** @type {number[]} */ all) => quantiles(all.slice(WARM_UP));
    figures.push({
      backend,
      acked: counted(times.acked),
      bare: counted(times.bare),
      server: counted(times.server),
    });
  }
  const machine = describeMachine(scratch);
  console.log(
    [
      ...machineLines(machine),
      `sent      ${patterns} patterns, one at a time, a pause of ${PAUSE_MS} ms after ${turn}\n`,
    ].join("\n"),
  );
  console.log("                      p50 ms   p99 ms   of bare (p50)");
  for (const { backend, acked, bare, server } of figures) {
    row(`${backend} acked`, acked, acked.p50 / bare.p50);
    row(`${backend} bare`, bare);
    row("  a bare server", server, server.p50 / bare.p50);
  }
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ machine, patterns, turn, figures }, null, 2)}\n`);
}

/** @param {string} name @param {{ p50: number, p99: number }} times @param {number} [ratio] */
function row(name, { p50, p99 }, ratio) {
  const last = ratio === undefined ? "" : `   ${ratio.toFixed(2).padStart(13)}`;
  console.log(`${name.padEnd(20)}${p50.toFixed(2).padStart(8)}${p99.toFixed(2).padStart(9)}${last}`);
}

/**
 * `write` resolves when the line is acknowledged. A sender's own part is kept small: it is not what is measured.
 *
 * @param {string} path
 * @param {string} hello a first line that is answered
 */
async function ackingSender(path, hello) {
  const socket = connect(path);
  const gone = new AbortController();
  socket.once("close", () => gone.abort());
  const send = (/** @type {string} */ text) => {
    const answer = once(socket, "data", { signal: gone.signal });
    socket.write(text);
    return answer;
  };
  await send(hello);
  return {
    /** @param {string} line */
    async write(line) {
      const [answer] = await send(`${line}\n`);
      if (!String(answer).startsWith('{"ack":'))
        throw new Error(`expected an acknowledgement, got ${answer}`);
    },
    async close() {
      socket.destroy();
    },
  };
}

/**
 * @param {import("./children.mjs").Children} children
 * @param {string} folder
 */
async function bareServer(children, folder) {
  const socket = join(folder, "bare.sock");
  const { child, status } = children.start([BARE_SERVER, socket, join(folder, "server.ndjson")]);
  const tooEarly = status.then((code) => Promise.reject(new Error(`the bare server ended with ${code}`)));
  await Promise.race([once(child.stdout, "data"), tooEarly]);
  tooEarly.catch(() => {});
  return socket;
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

/** @param {number[]} times */
function quantiles(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (/** @type {number} */ share) => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}
