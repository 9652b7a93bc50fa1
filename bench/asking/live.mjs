/** What follows and what sends, while the daemon runs. */
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { PROGRAM } from "../daemon.mjs";
import { median } from "../report.mjs";

/** @typedef {import("./questions.mjs").World} World */

const FOLLOWED = 100;
const PAUSE_MS = 20;
const LOAD_MS = 10_000;
const TICK_MS = 10;
/** Until the daemon has its threads and both sides are compiled. */
const WARM_UP_TICKS = 300;

/**
 * From an acknowledgement to the line that `patternd tail -f` prints, in milliseconds.
 *
 * @param {World} world
 */
export async function followingDelay(world) {
  const env = { XDG_STATE_HOME: world.folder, XDG_RUNTIME_DIR: world.folder };
  const { child, status } = world.children.start(
    [PROGRAM, "tail", "-f", "--limit", "1", "--config", `${world.folder}/config.json`],
    env,
  );
  /** @type {Map<string, number>} */
  const seen = new Map();
  const lines = createInterface(child.stdout);
  lines.on("line", (line) => {
    seen.set(JSON.parse(line).pattern_id, performance.now());
  });
  await once(lines, "line");
  const sender = await ackingSender(world.ingest);
  const delays = [];
  for (let n = 0; n < FOLLOWED; n += 1) {
    const id = `followed-${n}`;
    await sender.send(1, [line(id)]);
    const acked = performance.now();
    while (!seen.has(id)) await pause(0);
    delays.push(Math.max(0, (seen.get(id) ?? 0) - acked));
    await pause(PAUSE_MS);
  }
  sender.end();
  child.kill("SIGTERM");
  await status;
  return { median: median(delays), worst: Math.max(...delays) };
}

/**
 * How long senders wait for acknowledgements at a steady rate, the 99th percentile in milliseconds.
 *
 * @param {World} world
 * @param {number} rate patterns a second
 */
export async function acksUnderLoad(world, rate) {
  const alone = await paced(world, rate, "alone");
  const stop = new AbortController();
  const follower = request({ socketPath: world.query, path: "/v1/tail?text=needle" }, (response) =>
    response.resume(),
  );
  follower.on("error", () => {});
  follower.end();
  const asking = askOnAndOn(world.query, stop.signal);
  const asked = await paced(world, rate, "asked");
  stop.abort();
  await asking;
  follower.destroy();
  return { rate, alone, asked };
}

/** @param {World} world @param {number} rate @param {string} name */
async function paced({ ingest }, rate, name) {
  const sender = await ackingSender(ingest);
  const batch = Math.max(1, Math.round((rate * TICK_MS) / 1000));
  /** @type {Promise<number>[]} */
  const waits = [];
  const begin = performance.now();
  for (let tick = 0; tick * TICK_MS < LOAD_MS + WARM_UP_TICKS * TICK_MS; tick += 1) {
    const due = begin + tick * TICK_MS;
    while (performance.now() < due) await pause(1);
    waits.push(
      sender.send(
        batch,
        Array.from({ length: batch }, (_, n) => line(`${name}-${tick}-${n}`)),
      ),
    );
  }
  const times = (await Promise.all(waits)).slice(WARM_UP_TICKS).sort((a, b) => a - b);
  sender.end();
  return times[Math.floor(times.length * 0.99)] ?? 0;
}

/** Each filter in turn, one question at a time. @param {string} socketPath @param {AbortSignal} signal */
async function askOnAndOn(socketPath, signal) {
  const questions = [
    "text=needle",
    "agent=debugger",
    "success=false",
    "patternType=agent_usage&limit=1000",
    "tags=rare-3",
  ];
  for (let n = 0; !signal.aborted; n += 1) {
    await new Promise((done) => {
      const asked = request(
        { socketPath, path: `/v1/patterns?${questions[n % questions.length]}` },
        (response) => {
          response.resume().on("end", done).on("error", done);
        },
      );
      asked.on("error", done);
      asked.end();
    });
  }
}

/** @param {string} id */
function line(id) {
  const data = { task_type: "bench", agent: "bench", duration_ms: 1, success: true, note: "x".repeat(250) };
  return JSON.stringify({
    pattern_id: id,
    pattern_type: "task_completion",
    timestamp: new Date().toISOString(),
    data,
  });
}

/** @param {string} ingest */
async function ackingSender(ingest) {
  const socket = connect(ingest);
  await once(socket, "connect");
  socket.write('{"hello":1,"ack":true}\n');
  /** @type {{ upTo: number, done: (ms: number) => void, started: number }[]} */
  const waiting = [];
  createInterface(socket).on("line", (reply) => {
    const { ack } = JSON.parse(reply);
    while (ack !== undefined && waiting[0] && waiting[0].upTo <= ack) {
      const first = waiting.shift();
      first?.done(performance.now() - first.started);
    }
  });
  let sent = 0;
  return {
    /** @param {number} count @param {readonly string[]} lines @returns {Promise<number>} milliseconds to the ack of the last one */
    send(count, lines) {
      sent += count;
      return new Promise((done) => {
        waiting.push({ upTo: sent, done, started: performance.now() });
        socket.write(lines.map((one) => `${one}\n`).join(""));
      });
    },
    end: () => socket.end(),
  };
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
