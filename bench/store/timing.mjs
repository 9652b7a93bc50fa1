/** Calls are counted and timed until there are enough of them, or the time for them is up. */
const CALLS = 201;
const LEAST_CALLS = 2;
const BUDGET_MS = 1_000;

/**
 * @typedef {object} Latency milliseconds
 * @property {number} p50
 * @property {number} p99
 * @property {number} cpuP99 of the CPU time alone: what a neighbour's load leaves as it is
 * @property {number} calls how many there was time for
 * @property {number} answered the median of what the calls returned
 */

/**
 * @param {() => Promise<number>} call resolves to how many lines it got
 * @returns {Promise<Latency>}
 */
export async function latencyOf(call) {
  const budgetEnd = performance.now() + BUDGET_MS;
  const times = [];
  const cpuTimes = [];
  const answers = [];
  while (times.length < CALLS && (times.length < LEAST_CALLS || performance.now() < budgetEnd)) {
    const cpu = process.cpuUsage();
    const started = performance.now();
    answers.push(await call());
    times.push(performance.now() - started);
    const { user, system } = process.cpuUsage(cpu);
    cpuTimes.push((user + system) / 1000);
  }
  // The first one finds nothing compiled and nothing cached.
  if (times.length > LEAST_CALLS) for (const values of [times, cpuTimes]) values.shift();
  return {
    p50: nth(times, 0.5),
    p99: nth(times, 0.99),
    cpuP99: nth(cpuTimes, 0.99),
    calls: times.length,
    answered: nth(answers, 0.5),
  };
}

/** @param {() => unknown} work @returns {Promise<number>} seconds */
export async function secondsOf(work) {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/**
 * By nearest rank.
 *
 * @param {readonly number[]} values at least one
 * @param {number} quantile
 */
function nth(values, quantile) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.ceil(quantile * sorted.length) - 1];
}
