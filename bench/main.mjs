/** What every benchmark is as a program: options, a scratch folder, and nothing left behind however it ends. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { Children } from "./children.mjs";

const EXIT_FAILED = 1;
const EXIT_USAGE = 64;
const EXIT_INTERRUPTED = 130;

/**
 * Sets the exit status of this process.
 *
 * @template {{ help: boolean, folder: string }} O
 * @param {object} benchmark
 * @param {(args: readonly string[]) => O} benchmark.readOptions
 * @param {string} benchmark.usage
 * @param {(options: O, scratch: string, children: Children, signal: AbortSignal) => Promise<void>} benchmark.bench
 */
export async function runBenchmark({ readOptions, usage, bench }) {
  let options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exitCode = EXIT_USAGE;
    return;
  }
  if (options.help) console.log(usage);
  else process.exitCode = await runIn(options, bench);
}

/**
 * @template {{ folder: string }} O
 * @param {O} options
 * @param {(options: O, scratch: string, children: Children, signal: AbortSignal) => Promise<void>} bench
 */
async function runIn(options, bench) {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => interrupt.abort());
  const children = new Children(interrupt.signal);
  const scratch = await mkdtemp(join(options.folder, "patternd-bench-"));
  try {
    await bench(options, scratch, children, interrupt.signal);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) return EXIT_INTERRUPTED;
    console.error(error);
    return EXIT_FAILED;
  } finally {
    await children.end();
    await rm(scratch, { recursive: true, force: true });
  }
}
