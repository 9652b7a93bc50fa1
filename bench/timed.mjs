/** @param {() => unknown} work @returns {Promise<number>} milliseconds */
export async function timed(work) {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
