import { resolve } from "node:path";
import { parseArgs } from "node:util";

export const USAGE = `node bench/run.mjs [options]
  --lines N         patterns to send (500000)
  --connections K   over how many connections at once (1)
  --rounds R        how often each is measured; the figures are medians (5)
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk; in a tmpfs nothing is durable (/var/tmp)
  --json FILE       also keep every figure there
  --profile         also show where the daemon's time goes, by thread; this slows it down`;

export const BACKENDS = ["filesystem", "sqlite"];

/**
 * @param {readonly string[]} args
 * @throws {Error} saying what is wrong with them
 */
export function readOptions(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      lines: { type: "string", default: "500000" },
      connections: { type: "string", default: "1" },
      rounds: { type: "string", default: "5" },
      backend: { type: "string", multiple: true, default: BACKENDS },
      folder: { type: "string", default: "/var/tmp" },
      json: { type: "string" },
      profile: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { lines, connections, rounds, backend, folder, ...rest } = values;
  return {
    ...rest,
    lines: count("--lines", lines),
    connections: count("--connections", connections),
    rounds: count("--rounds", rounds),
    backends: known(backend),
    folder: resolve(folder),
  };
}

/** @param {readonly string[]} names of backends */
export function known(names) {
  for (const name of names) {
    if (!BACKENDS.includes(name)) throw new Error(`--backend: expected filesystem or sqlite, got ${name}`);
  }
  return names;
}

/**
 * @param {string} option
 * @param {string} text
 */
export function count(option, text) {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new Error(`${option}: expected an integer >= 1, got ${text}`);
}
