/**
 * `npm run bench:asking`: how long the built command takes to ask a large store, beside Node's own start; how soon a
 * follower sees a pattern; and what senders notice of all that. On Linux. What is measured: docs/performance.md.
 */
import { appendFile, mkdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { acksUnderLoad, followingDelay } from "./asking/live.mjs";
import { commandTimes } from "./asking/questions.mjs";
import { startDaemon } from "./daemon.mjs";
import { generatePatterns } from "./generate.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { readNumbers } from "./options.mjs";
import { aligned, machineLines, whole } from "./report.mjs";
import { DAY_MS, DAYS, FIRST_MS, RARE_TAGS } from "./store/questions.mjs";

const SENDER = fileURLToPath(new URL("send.mjs", import.meta.url));
const USAGE = `node bench/asking.mjs [options]
  --patterns N      how many the store holds (1000000)
  --rounds R        how often each question is asked; the figures are medians (5)
  --rate N          patterns a second that are sent while questions are asked (10000)
  --backend NAME    filesystem or sqlite; repeatable (both)
  --folder FOLDER   on which disk; in a tmpfs nothing is durable (/var/tmp)
  --json FILE       also keep every figure there`;

await runBenchmark({ readOptions, usage: USAGE, bench });

/** @param {readonly string[]} args */
function readOptions(args) {
  return readNumbers(args, { patterns: 1_000_000, rounds: 5, rate: 10_000 });
}

/**
 * @param {ReturnType<typeof readOptions>} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 * @param {AbortSignal} signal
 */
async function bench({ patterns, rounds, rate, backends, json }, scratch, children, signal) {
  const machine = describeMachine(scratch);
  const file = join(scratch, "patterns.ndjson");
  await generatePatterns(file, patterns, signal, { firstMs: FIRST_MS, spanMs: DAYS * DAY_MS, ...RARE_TAGS });
  await appendFile(file, needle());
  const bytes = (await stat(file)).size / (patterns + 1);
  const figures = [];
  for (const backend of backends) {
    console.error(`${backend}: ${patterns} patterns`);
    const folder = join(scratch, backend);
    await mkdir(folder);
    const first = await startDaemon(children, { backend, folder });
    await children.run(SENDER, [first.ingest, file, "1"]);
    const { ingest } = first;
    const world = { children, folder, query: join(dirname(ingest), "query.sock"), ingest };
    const asked = await commandTimes(world, rounds);
    await first.stop();
    const direct = await commandTimes(world, rounds);
    const { stop } = await startDaemon(children, { backend, folder });
    const following = await followingDelay(world);
    const acks = await acksUnderLoad(world, rate);
    await stop();
    figures.push({ backend, asked, direct, following, acks });
  }
  console.log(
    [
      ...machineLines(machine),
      `store     ${whole(patterns)} patterns, ${whole(bytes)} bytes each, over ${DAYS} days`,
      "",
    ].join("\n"),
  );
  for (const figure of figures) console.log(describe(figure).join("\n"));
  if (json !== undefined)
    await writeFile(json, `${JSON.stringify({ machine, patterns, figures }, null, 2)}\n`);
}

/** One pattern in the middle, with a word that no other has. */
function needle() {
  const timestamp = new Date(FIRST_MS + (DAYS / 2) * DAY_MS).toISOString();
  const data = { error_type: "TypeError", error_message: "the needle in the haystack" };
  return `${JSON.stringify({ pattern_id: "needle", pattern_type: "error_occurrence", timestamp, data })}\n`;
}

/**
 * @param {{ backend: string, asked: Awaited<ReturnType<typeof commandTimes>>, direct: Awaited<ReturnType<typeof commandTimes>>, following: Awaited<ReturnType<typeof followingDelay>>, acks: Awaited<ReturnType<typeof acksUnderLoad>> }} figure
 */
function describe({ backend, asked, direct, following, acks }) {
  const ms = (/** @type {number} */ value) => value.toFixed(1);
  const rows = asked.map((one, index) => [
    one.name,
    ms(one.ms),
    ms(one.firstMs),
    ms(direct[index]?.ms ?? 0),
    ms(direct[index]?.firstMs ?? 0),
  ]);
  return [
    `${backend}, ms beyond Node's own start`,
    ...aligned([["", "daemon", "first line", "no daemon", "first line"], ...rows]),
    "",
    `tail -f, ms from the ack to the line: median ${ms(following.median)}, worst ${ms(following.worst)}`,
    `acks at ${whole(acks.rate)}/s, p99 ms: ${ms(acks.alone)} alone, ${ms(acks.asked)} while questions are asked and one follows`,
    "",
  ];
}
