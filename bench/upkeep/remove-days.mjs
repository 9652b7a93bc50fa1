/**
 * node remove-days.mjs WAY PATH DAY: removes from a store of files what is older than the day (since the epoch), and prints
 * how many milliseconds that took. In a process of its own, as cold as a job that runs once a night. WAY is one of
 *
 *   retention         as the daemon does it when the schedule says so: files, durably, with what it knows of them
 *   unlinking         every file of those days and their folders, and nothing else
 *   durable-unlinking the same, each day durable
 */
import { closeSync, fsyncSync, openSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { openInThreads } from "../../dist/store/thread.js";
import { deletePlanned, planDeletion } from "../../dist/upkeep/work.js";
import { timed } from "../timed.mjs";
import { dayFolders } from "./whole-days.mjs";

const DAY_MS = 86_400_000;

const [way, path = "", day = ""] = process.argv.slice(2);
console.log(JSON.stringify({ ms: await measure(way, path, Number(day)) }));

/** @param {string | undefined} way @param {string} path @param {number} day */
async function measure(way, path, day) {
  if (way === "unlinking") return timed(() => unlinkDays(path, day, () => {}));
  if (way === "durable-unlinking") return timed(() => unlinkDays(path, day, syncFolder));
  return runRetention(path, day);
}

/** @param {string} path @param {number} day */
async function runRetention(path, day) {
  const options = { path, durability: "fsync", timezone: "UTC", readOnly: false };
  const store = await openInThreads("filesystem", options, (error) => {
    throw error;
  });
  const now = Date.now();
  const policy = { days: Math.floor(now / DAY_MS) - day, byType: {}, keepTags: [], maxBytes: null };
  const plan = await planDeletion(store, policy, now, "whole");
  const ms = await timed(() => deletePlanned(store, plan, { onProgress: () => {} }));
  await store.close();
  return ms;
}

/** @param {string} path @param {number} before @param {(folder: string) => void} sync after names in the folder have changed */
function unlinkDays(path, before, sync) {
  for (const { folder, day } of dayFolders(path)) {
    if (day >= before) continue;
    for (const name of readdirSync(folder)) unlinkSync(join(folder, name));
    sync(folder);
    rmdirSync(folder);
    sync(dirname(folder));
  }
}

/** @param {string} folder */
function syncFolder(folder) {
  const fd = openSync(folder, "r");
  fsyncSync(fd);
  closeSync(fd);
}
