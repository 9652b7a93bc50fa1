/** An agent's process: emits, and says how long each call took. Answers in JSON. */
import { PatternClient } from "../dist/client/pattern-client.js";

const data = {
  task_type: "refactoring",
  agent: "builder",
  duration_ms: 1200,
  success: true,
  note: "n".repeat(300),
};
const pattern = () => ({ pattern_type: "task_completion", data: { ...data }, context: { tags: ["a", "b"] } });
const client = new PatternClient();
const WARM_UP = 5_000;

/** @type {{ how: string, calls: number, burst: number, pauseMs: number }[]} */
const RHYTHMS = [
  { how: "one after the other", calls: 40_000, burst: 200, pauseMs: 0 },
  { how: "one every 10 ms", calls: 300, burst: 1, pauseMs: 10 },
];

for (let call = 0; call < WARM_UP; call += 1) {
  client.emit(pattern());
  JSON.stringify(pattern());
  if (call % 100 === 0) await pause(0);
}
const answer = [];
for (const { how, ...rhythm } of RHYTHMS) {
  const emit = await measure(rhythm, () => client.emit(pattern()));
  answer.push({ how, emit, bare: await measure(rhythm, () => JSON.stringify(pattern())) });
}
process.stdout.write(JSON.stringify(answer));

/**
 * @param {{ calls: number, burst: number, pauseMs: number }} rhythm
 * @param {() => void} work
 */
async function measure({ calls, burst, pauseMs }, work) {
  const times = new Float64Array(calls);
  for (let call = 0; call < calls; call += 1) {
    const started = performance.now();
    work();
    times[call] = (performance.now() - started) * 1000;
    if (call % burst === burst - 1) await pause(pauseMs);
  }
  times.sort();
  const at = (/** @type {number} */ share) => times[Math.floor(calls * share)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

/** @param {number} ms @returns {Promise<void>} */
function pause(ms) {
  return new Promise((done) => (ms === 0 ? setImmediate(done) : setTimeout(done, ms)));
}
