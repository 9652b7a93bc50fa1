/** What the deletion of whole days costs beside the unlinking of as many files: medians, each on copies of its own. */
import { execFileSync } from "node:child_process";
import { closeSync, cpSync, fsyncSync, openSync, readdirSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { openStore } from "../../dist/store/open.js";
import { median } from "../report.mjs";
import { timed } from "../timed.mjs";

const ROUNDS = 7;
const DAY_MS = 86_400_000;
const KEPT_DAYS = 90;

/** @param {string} path the store @param {string} scratch @param {AbortSignal} signal */
export async function measureWholeDays(path, scratch, signal) {
  const cutoffDay = Math.floor(Date.now() / DAY_MS) - KEPT_DAYS;
  const copy = join(scratch, "whole-days");
  const days = daysIn(path).filter(({ day }) => day < cutoffDay);
  /** @param {readonly { folder: string }[]} folders @param {(place: string) => Promise<number>} measure */
  const onCopy = async (folders, measure) => {
    for (const { folder } of folders) cpSync(join(path, folder), join(copy, folder), { recursive: true });
    execFileSync("sync");
    const ms = await measure(copy);
    rmSync(copy, { recursive: true });
    return ms;
  };
  /** @type {{ deletionMs: number, unlinkingMs: number, durableMs: number }[]} */
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    signal.throwIfAborted();
    rounds.push({
      unlinkingMs: await onCopy(days, (place) => timed(() => unlinkDays(place, days, () => {}))),
      durableMs: await onCopy(days, (place) => timed(() => unlinkDays(place, days, syncFolder))),
      deletionMs: await onCopy([{ folder: "" }], (place) => deleteBefore(place, cutoffDay)),
    });
  }
  /** @param {"deletionMs" | "unlinkingMs" | "durableMs"} of */
  const middle = (of) => median(rounds.map((round) => round[of]));
  return {
    wholeDays: {
      days: days.length,
      deletionMs: middle("deletionMs"),
      unlinkingMs: middle("unlinkingMs"),
      durableMs: middle("durableMs"),
    },
  };
}

/** @param {string} path @param {number} cutoffDay */
async function deleteBefore(path, cutoffDay) {
  const store = await openStore("filesystem", {
    path,
    durability: "fsync",
    timezone: "UTC",
    readOnly: false,
  });
  const ms = await timed(() => store.deleteOlderThan(BigInt(cutoffDay) * BigInt(DAY_MS) * 1_000_000n));
  await store.close();
  return ms;
}

/**
 * @param {string} place
 * @param {readonly { folder: string }[]} days
 * @param {(folder: string) => void} sync after the names in the folder have changed
 */
function unlinkDays(place, days, sync) {
  for (const day of days) {
    const folder = join(place, day.folder);
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

/** @param {string} path */
function daysIn(path) {
  /** @param {string} folder */
  const inner = (folder) =>
    readdirSync(join(path, folder))
      .filter((name) => /^\d+$/.test(name))
      .map((name) => join(folder, name));
  return inner("")
    .flatMap(inner)
    .flatMap(inner)
    .map((folder) => ({ folder, day: Date.parse(`${folder.replaceAll("/", "-")}T00:00:00Z`) / DAY_MS }));
}
