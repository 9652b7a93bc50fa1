/**
 * Preloaded into the daemon (`--import watch.mjs?FILE`): writes into the file, as JSON, how long its transactions held
 * SQLite's write lock at most, those of a batch of patterns and those of a job.
 */
import { writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import Database from "better-sqlite3";

const file = decodeURIComponent(new URL(import.meta.url).search.slice(1));
const longest = { batch: 0, job: 0 };

/** @param {"batch" | "job"} kind @param {() => unknown} work */
function timed(kind, work) {
  const started = performance.now();
  try {
    return work();
  } finally {
    const ms = performance.now() - started;
    if (ms > longest[kind]) {
      longest[kind] = ms;
      writeFileSync(file, JSON.stringify(longest));
    }
  }
}

if (!isMainThread) {
  const { transaction, pragma } = Database.prototype;
  Database.prototype.transaction = function (work) {
    const { immediate } = transaction.call(this, work);
    // The patterns of a batch are its argument.
    const kind = work.length === 0 ? "job" : "batch";
    return { immediate: (...args) => timed(kind, () => immediate(...args)) };
  };
  Database.prototype.pragma = function (text, ...rest) {
    const run = () => pragma.call(this, text, ...rest);
    return /^incremental_vacuum/.test(text) ? timed("job", run) : run();
  };
}
