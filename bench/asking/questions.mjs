import { once } from "node:events";
import { PROGRAM } from "../daemon.mjs";
import { median } from "../report.mjs";

/** @typedef {{ children: import("../children.mjs").Children, folder: string, query: string, ingest: string }} World */

const QUESTIONS = /** @type {const} */ ([
  ["query newest 100", ["query"]],
  ["query --type", ["query", "--type", "error_occurrence"]],
  [
    "query --type, one day",
    ["query", "--type", "agent_usage", "--since", "2026-02-10", "--until", "2026-02-10"],
  ],
  ["query --agent", ["query", "--agent", "debugger"]],
  ["query --tag, rare", ["query", "--tag", "rare-7"]],
  ["query --project", ["query", "--project", "billing"]],
  ["query --session", ["query", "--session", "session-17"]],
  ["query --host", ["query", "--host", "laptop"]],
  [
    "query --agent --tag --type",
    ["query", "--agent", "planner", "--tag", "database", "--type", "agent_usage"],
  ],
  ["query --failed", ["query", "--failed"]],
  ["query --where", ["query", "--where", "data.error_type=TimeoutError"]],
  ["query --text, one hit in all", ["query", "--text", "NEEDLE in the"]],
  ["get ID", ["get", "needle"]],
  ["stats", ["stats"]],
]);

/**
 * Whole processes, less the median of `node -e 0` in the same rounds.
 *
 * @param {World} world
 * @param {number} rounds
 * @returns {Promise<{ name: string, ms: number, firstMs: number }[]>} `firstMs`: to the first byte of the answer
 */
export async function commandTimes(world, rounds) {
  /** @type {number[]} */
  const bare = [];
  const times = QUESTIONS.map(() => /** @type {{ ms: number, firstMs: number }[]} */ ([]));
  for (let round = 0; round < rounds; round += 1) {
    bare.push((await timed(world, ["-e", "0"])).ms);
    for (const [index, [, args]] of QUESTIONS.entries()) {
      times[index]?.push(await timed(world, [PROGRAM, ...args, ...configOf(world)]));
    }
  }
  const floor = median(bare);
  return [
    { name: "node -e 0, in all", ms: floor, firstMs: floor },
    ...QUESTIONS.map(([name], index) => ({
      name,
      ms: median((times[index] ?? []).map(({ ms }) => ms)) - floor,
      firstMs: median((times[index] ?? []).map(({ firstMs }) => firstMs)) - floor,
    })),
  ];
}

/** @param {World} world */
function configOf({ folder }) {
  return ["--config", `${folder}/config.json`];
}

/** @param {World} world @param {readonly string[]} args */
async function timed({ children, folder }, args) {
  const started = performance.now();
  const { child, status } = children.start(args, { XDG_STATE_HOME: folder, XDG_RUNTIME_DIR: folder });
  let firstMs = Number.NaN;
  child.stdout.on("data", () => {
    if (Number.isNaN(firstMs)) firstMs = performance.now() - started;
  });
  await once(child.stdout, "end");
  const code = await status;
  if (code !== 0) throw new Error(`${args.join(" ")} ended with status ${code}`);
  const ms = performance.now() - started;
  return { ms, firstMs: Number.isNaN(firstMs) ? ms : firstMs };
}
