/**
 * Other programs that take lines of JSON, parse them and write them to a file, where they are installed. None of them
 * checks what a pattern must be, and none syncs: what they answer with is less than what the daemon promises.
 */
import { spawnSync } from "node:child_process";
import { createReadStream, existsSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { usageOf } from "./usage.mjs";

const THROWER = fileURLToPath(new URL("throw.mjs", import.meta.url));
const START_MS = 10_000;
const POLL_MS = 5;
/** A file that has not grown for so long is complete. */
const QUIET_MS = 2_000;
const FLUENT_BIT_PORT = "24224";

/**
 * @typedef {object} Peer
 * @property {string} program
 * @property {(folder: string) => { args: readonly string[], config: string, target: string }} setup
 *   `target`: where lines are sent to, a socket's path or a port
 */

/** @type {readonly Peer[]} */
const PEERS = [
  {
    program: "syslog-ng",
    setup(folder) {
      const target = join(folder, "peer.sock");
      const file = join(folder, "syslog-ng.conf");
      const own = (/** @type {string} */ name) => join(folder, `syslog-ng.${name}`);
      return {
        target,
        args: ["-F", "--no-caps", "-f", file, "-R", own("persist"), "-p", own("pid"), "-c", own("ctl")],
        config: `@version: 3.35
source s { unix-stream("${target}" flags(no-parse) log-msg-size(2097152) max-connections(64)); };
parser p { json-parser(prefix(".json.")); };
destination d { file("${outputIn(folder)}" template("$MSG\\n")); };
log { source(s); parser(p); destination(d); flags(flow-control); };
`,
      };
    },
  },
  {
    program: "fluent-bit",
    setup(folder) {
      return {
        target: FLUENT_BIT_PORT,
        args: ["-c", join(folder, "fluent-bit.conf")],
        config: `[SERVICE]
    flush 0.2
    log_level error
[INPUT]
    name tcp
    listen 127.0.0.1
    port ${FLUENT_BIT_PORT}
    format json
[OUTPUT]
    name file
    match *
    path ${folder}
    file output.ndjson
    format plain
`,
      };
    },
  },
];

/** @returns {{ installed: Peer[], missing: string[] }} */
export function findPeers() {
  const installed = PEERS.filter(({ program }) => spawnSync(program, ["--version"]).error === undefined);
  const missing = PEERS.filter((peer) => !installed.includes(peer)).map(({ program }) => program);
  return { installed, missing };
}

/**
 * From the first connect until the last line is in the file.
 *
 * @param {import("./children.mjs").Children} children
 * @param {Peer} peer
 * @param {{ folder: string, patterns: string, lines: number, connections: number }} run
 * @returns {Promise<import("./report.mjs").Daemon>}
 */
export async function measurePeer(children, { program, setup }, { folder, patterns, lines, connections }) {
  const { args, config, target } = setup(folder);
  const output = outputIn(folder);
  await writeFile(join(folder, `${program}.conf`), config);
  const { child, status } = children.start(args, {}, program);
  child.stdout.resume();
  await accepting(target);
  const before = usageOf(child.pid);
  const { started } = await children.run(THROWER, [target, patterns, String(connections)]);
  const ended = await lastGrowth(output);
  const { cpuSeconds, peakRssBytes } = usageOf(child.pid);
  const written = await linesOf(output);
  child.kill("SIGTERM");
  await status;
  if (written !== lines) throw new Error(`${program} wrote ${written} of ${lines} lines: no figure is given`);
  return { seconds: (ended - started) / 1000, cpuSeconds: cpuSeconds - before.cpuSeconds, peakRssBytes };
}

/** @param {string} folder */
function outputIn(folder) {
  return join(folder, "output.ndjson");
}

/** @param {string} target */
async function accepting(target) {
  for (const end = performance.now() + START_MS; ; await setTimeout(20)) {
    const isOpen = await new Promise((resolve) => {
      const socket = connect(target.includes("/") ? { path: target } : { port: Number(target) });
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (isOpen) return;
    if (performance.now() > end) throw new Error(`nobody takes connections on ${target}`);
  }
}

/** @param {string} file @returns {Promise<number>} when it grew for the last time, in milliseconds since the epoch */
async function lastGrowth(file) {
  const now = () => performance.timeOrigin + performance.now();
  let size = 0;
  for (let grew = now(); ; await setTimeout(POLL_MS)) {
    const seen = existsSync(file) ? statSync(file).size : 0;
    if (seen > size) grew = now();
    size = seen;
    if (now() - grew > QUIET_MS) return grew;
  }
}

/** @param {string} file */
async function linesOf(file) {
  let lines = 0;
  for await (const chunk of createReadStream(file)) {
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines += 1;
  }
  return lines;
}
