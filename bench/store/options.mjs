import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { BACKENDS, count, known } from "../options.mjs";

export const USAGE = `node bench/store.mjs [options]
  --sizes N,N,...   how many patterns the stores hold (10000,100000,1000000)
  --day N           how many the store of one single day holds (100000)
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk; in a tmpfs nothing is durable (/var/tmp)
  --json FILE       also keep every figure there`;

/** Below, a rare tag could not have its patterns, nor a page of the single day a last one. */
const LEAST = 4_000;

/**
 * @param {readonly string[]} args
 * @throws {Error} saying what is wrong with them
 */
export function readOptions(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sizes: { type: "string", default: "10000,100000,1000000" },
      day: { type: "string", default: "100000" },
      backend: { type: "string", multiple: true, default: BACKENDS },
      folder: { type: "string", default: "/var/tmp" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const { sizes, day, backend, folder, ...rest } = values;
  return {
    ...rest,
    sizes: sizes
      .split(",")
      .map((size) => patterns("--sizes", size))
      .sort((one, other) => one - other),
    day: patterns("--day", day),
    backends: known(backend),
    folder: resolve(folder),
  };
}

/**
 * @param {string} option
 * @param {string} text
 */
function patterns(option, text) {
  const number = count(option, text);
  if (number < LEAST) throw new Error(`${option}: expected at least ${LEAST}, got ${text}`);
  return number;
}
