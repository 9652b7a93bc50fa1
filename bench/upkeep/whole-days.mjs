/** What the deletion of whole days costs beside the unlinking of the same files: medians of rounds, each way in turn. */
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "../report.mjs";

const ROUNDS = 7;
const DAY_MS = 86_400_000;
const KEPT_DAYS = 90;
const PROGRAM = fileURLToPath(new URL("remove-days.mjs", import.meta.url));

/**
 * The store is as it was when this resolves.
 *
 * @param {import("../children.mjs").Children} children
 * @param {string} path of the store
 * @param {string} scratch
 */
export async function measureWholeDays(children, path, scratch) {
  const before = Math.floor(Date.now() / DAY_MS) - KEPT_DAYS;
  const days = dayFolders(path).filter(({ day }) => day < before);
  const aside = join(scratch, "whole-days");
  const copy = (/** @type {string} */ from, /** @type {string} */ to) => {
    for (const { folder } of days) {
      const name = relative(path, folder);
      cpSync(join(from, name), join(to, name), { recursive: true, preserveTimestamps: true });
    }
    execFileSync("sync");
  };
  copy(path, aside);
  /** @param {string} way @returns {Promise<number>} milliseconds */
  const measure = async (way) => {
    const { ms } = await children.run(PROGRAM, [way, path, String(before)]);
    copy(aside, path);
    return ms;
  };
  const rounds = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    rounds.push({
      unlinkingMs: await measure("unlinking"),
      durableMs: await measure("durable-unlinking"),
      deletionMs: await measure("retention"),
    });
  }
  rmSync(aside, { recursive: true });
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

/** @param {string} path of a store of files */
export function dayFolders(path) {
  /** @param {string} folder */
  const inner = (folder) =>
    readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map((name) => join(folder, name));
  return inner(path)
    .flatMap(inner)
    .flatMap(inner)
    .map((folder) => ({
      folder,
      day: Date.parse(`${relative(path, folder).replaceAll("/", "-")}T00:00:00Z`) / DAY_MS,
    }));
}
