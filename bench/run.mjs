/**
 * `npm run bench`: how many patterns a second the daemon makes durable, beside what one thread can do that does
 * nothing else (ceiling.mjs), and what other programs do with the same lines (peers.mjs), taken in turns on the same
 * disk. On Linux. Options: options.mjs.
 */
import { execFile } from "node:child_process";
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { measureDaemon } from "./daemon.mjs";
import { generatePatterns } from "./generate.mjs";
import { describeMachine } from "./machine.mjs";
import { runBenchmark } from "./main.mjs";
import { readOptions, USAGE } from "./options.mjs";
import { findPeers, measurePeer } from "./peers.mjs";
import { describeProfiles } from "./profile.mjs";
import { describeReport, summarize } from "./report.mjs";

const CEILING = fileURLToPath(new URL("ceiling.mjs", import.meta.url));
/** @typedef {ReturnType<typeof readOptions>} Options */

await runBenchmark({ readOptions, usage: USAGE, bench });

/**
 * @param {Options} options
 * @param {string} scratch
 * @param {import("./children.mjs").Children} children
 * @param {AbortSignal} signal
 */
async function bench(options, scratch, children, signal) {
  const { lines, connections, rounds, backends } = options;
  const patterns = join(scratch, "patterns.ndjson");
  const profiles = (/** @type {string} */ backend) => join(scratch, `profiles-${backend}`);
  console.error(`generating ${lines} patterns`);
  await generatePatterns(patterns, lines, signal);

  const { installed, missing } = findPeers();

  /** @type {import("./report.mjs").Round[]} */
  const measured = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const backend of backends) {
      console.error(`round ${round} of ${rounds}: ${backend}`);
      const daemon = await onQuietDisk(scratch, (folder) => {
        const run = { backend, folder, patterns, lines, connections };
        return measureDaemon(children, options.profile ? { ...run, profiles: profiles(backend) } : run);
      });
      const ceiling = await onQuietDisk(scratch, (folder) =>
        children.run(CEILING, [backend, folder, patterns]),
      );
      /** @type {Record<string, import("./report.mjs").Daemon>} */
      const peers = {};
      for (const peer of backend === "filesystem" ? installed : []) {
        console.error(`round ${round} of ${rounds}: ${peer.program}`);
        peers[peer.program] = await onQuietDisk(scratch, (folder) =>
          measurePeer(children, peer, { folder, patterns, lines, connections }),
        );
      }
      measured.push({ backend, daemon, ceiling, peers });
    }
  }

  const { size: bytes } = await stat(patterns);
  const report = {
    machine: describeMachine(scratch),
    sent: { lines, bytes, connections, rounds, profiled: options.profile },
    medians: summarize(measured, lines),
    measured,
  };
  console.log(describeReport(report));
  for (const program of missing) console.log(`${program} is not installed: not compared`);
  if (options.profile) {
    for (const backend of backends) console.log(`\n${backend}: ${describeProfiles(profiles(backend))}`);
  }
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
}

/**
 * Measures in an empty folder, after everything that was written before is on the disk: no measurement pays for
 * an earlier one.
 *
 * @template M
 * @param {string} scratch
 * @param {(folder: string) => Promise<M>} measure
 * @returns {Promise<M>}
 */
async function onQuietDisk(scratch, measure) {
  const folder = join(scratch, "run");
  await mkdir(folder);
  await promisify(execFile)("sync");
  const measurement = await measure(folder);
  await rm(folder, { recursive: true });
  return measurement;
}
