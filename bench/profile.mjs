/** Which functions the daemon's threads spend their time in, from the profiles that Node's --cpu-prof writes. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const TOP = 15;
/** The name of what runs while nothing does. */
const IDLE = "(idle)";
const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * @param {string} folder profiles of one or more runs
 * @returns {string} the busiest functions of each thread, by self time
 */
export function describeProfiles(folder) {
  /** @type {Map<number, Map<string, number>>} */
  const threads = new Map();
  for (const name of readdirSync(folder)) {
    // CPU.<date>.<time>.<process>.<thread>.<number>.cpuprofile
    const thread = Number(name.split(".")[4]);
    const selfTimes = threads.get(thread) ?? new Map();
    addSelfTimes(join(folder, name), selfTimes);
    threads.set(thread, selfTimes);
  }
  const ascending = [...threads].sort(([one], [other]) => one - other);
  return ascending.map(([thread, selfTimes]) => describeThread(thread, selfTimes)).join("\n\n");
}

/**
 * @param {string} file
 * @param {Map<string, number>} selfTimes microseconds by function
 */
function addSelfTimes(file, selfTimes) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8"));
  const names = new Map(nodes.map((/** @type {ProfileNode} */ { id, callFrame }) => [id, nameOf(callFrame)]));
  for (const [index, node] of samples.entries()) {
    const name = names.get(node);
    // A sample's function ran until the next sample.
    selfTimes.set(name, (selfTimes.get(name) ?? 0) + (timeDeltas[index + 1] ?? 0));
  }
}

/** @typedef {{ functionName: string, url: string, lineNumber: number }} CallFrame */
/** @typedef {{ id: number, callFrame: CallFrame }} ProfileNode */

/** @param {CallFrame} frame its line counts from 0 */
function nameOf({ functionName, url, lineNumber }) {
  const name = functionName || "(anonymous)";
  if (url === "") return name;
  const file = url.startsWith("file:") ? relative(ROOT, fileURLToPath(url)) : url;
  return `${name} ${file}:${lineNumber + 1}`;
}

/**
 * @param {number} thread 0 is the main thread
 * @param {Map<string, number>} selfTimes
 */
function describeThread(thread, selfTimes) {
  const { [IDLE]: idle = 0, ...functions } = Object.fromEntries(selfTimes);
  const busy = Object.values(functions).reduce((sum, time) => sum + time, 0);
  const share = (/** @type {number} */ time) => `${((100 * time) / busy).toFixed(1).padStart(5)} %`;
  const top = Object.entries(functions)
    .sort(([, one], [, other]) => other - one)
    .slice(0, TOP);
  const name = thread === 0 ? "main thread" : `worker thread ${thread}`;
  const times = `busy ${seconds(busy)}, idle ${seconds(idle)}`;
  return [
    `${name}: ${times}; self time as a share of the busy part`,
    ...top.map(([frame, time]) => `  ${share(time)}  ${frame}`),
  ].join("\n");
}

/** @param {number} microseconds */
function seconds(microseconds) {
  return `${(microseconds / 1e6).toFixed(2)} s`;
}
