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
  const own = { lines: 500_000, connections: 1, rounds: 5 };
  return readNumbers(args, own, { profile: { type: "boolean", default: false } });
}

/**
 * The options that every benchmark has (`--backend`, `--folder`, `--json`, `--help`), and numbers of its own:
 * `{ jobSeconds: 5 }` is `--job-seconds N`, 5 if it is not said; undefined: none if it is not said.
 *
 * @template {Record<string, number | undefined>} N
 * @param {readonly string[]} args
 * @param {N} numbers
 * @param {import("node:util").ParseArgsConfig["options"]} [others]
 * @throws {Error} saying what is wrong with them
 */
export function readNumbers(args, numbers, others = {}) {
  const names = Object.keys(numbers).map((name) => [name, flagOf(name)]);
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(names.map(([, flag]) => [flag, { type: "string" }])),
      ...others,
      backend: { type: "string", multiple: true, default: BACKENDS },
      folder: { type: "string", default: "/var/tmp" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const said = names.map(([name, flag]) => [
    name,
    values[flag] === undefined ? numbers[name] : count(`--${flag}`, values[flag]),
  ]);
  const { backend, folder, ...rest } = values;
  return { ...rest, ...Object.fromEntries(said), backends: known(backend), folder: resolve(folder) };
}

/** @param {string} name in camel case */
function flagOf(name) {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
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
