/**
 * Loaded into the daemon before its own code (`node --require`), and into each of its threads: every call that
 * changes a file, and every transaction of SQLite, is a point with a name, at which the process can be killed or the
 * call can fail. The product knows nothing of it.
 *
 * FAULT_PLAN is JSON, see plan.ts.
 */
const fs = require("node:fs");
const { syncBuiltinESMExports } = require("node:module");
const path = require("node:path");

const plan = JSON.parse(process.env.FAULT_PLAN ?? "{}");
const real = { ...fs };
const paths = new Map();
const reached = new Map();

const KINDS = [
  [/[\\/]outbox([\\/]|$)/, "outbox"],
  [/\.ndjson\.gz(\.new)?$/, ".gz"],
  [/\.ndjson$/, ".ndjson"],
  [/\.index$/, ".index"],
  [/\.replaced(\.new)?$/, ".replaced"],
  [/store\.json(\.new)?$/, "store.json"],
  [/spool/, "spool"],
];

function nameOf(call, target) {
  const file = typeof target === "number" ? (paths.get(target) ?? "other") : String(target);
  const inRejected = /[\\/]rejected[\\/]/.test(file) ? "rejected" : undefined;
  const kind = inRejected ?? KINDS.find(([form]) => form.test(file))?.[1];
  return `${call} ${kind ?? (path.extname(file) === "" ? "folder" : "other")}`;
}

/** What is to happen at this point, this time. */
function reach(point) {
  if (plan.record !== undefined) {
    real.appendFileSync(plan.record, `${point}\n`);
    return undefined;
  }
  if (!new RegExp(plan.point ?? "^$").test(point)) return undefined;
  if (plan.while !== undefined) return real.existsSync(plan.while) ? plan.does : undefined;
  const times = (reached.get(point) ?? 0) + 1;
  reached.set(point, times);
  return times === plan.nth ? plan.does : undefined;
}

function die() {
  process.kill(process.pid, "SIGKILL");
  // A thread goes on until the signal has come.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}

function fail(code) {
  throw Object.assign(new Error(`${code}: injected`), { code, errno: -5, syscall: "injected" });
}

/** `half`: does a part of the call, where that can be. */
function at(point, call, half) {
  const does = reach(point);
  if (does === "kill before") die();
  if (does === "kill half") {
    half?.();
    die();
  }
  if (does === "short") return half ? half() : call();
  // A disk that does not answer.
  while (does === "hang" && real.existsSync(plan.while))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  if (does?.startsWith("E")) {
    if (does === "EIO half") half?.();
    fail(does.split(" ")[0]);
  }
  const result = call();
  if (does === "kill after") die();
  return result;
}

/** The same for calls that leave their thread free. */
async function hangs(point) {
  if (plan.does !== "hang") return;
  while (reach(point) === "hang") await new Promise((resolve) => setTimeout(resolve, 100));
}

fs.openSync = (file, ...rest) => {
  const fd = real.openSync(file, ...rest);
  paths.set(fd, String(file));
  return fd;
};
fs.writeSync = (fd, bytes, offset = 0, length = undefined, position = undefined) => {
  const wanted = length ?? bytes.length - offset;
  return at(
    nameOf("write", fd),
    () => real.writeSync(fd, bytes, offset, wanted, position),
    () => real.writeSync(fd, bytes, offset, Math.max(1, wanted >> 1), position),
  );
};
// No place to be killed at: nothing changes.
fs.readSync = (fd, ...rest) =>
  plan.while === undefined
    ? real.readSync(fd, ...rest)
    : at(nameOf("read", fd), () => real.readSync(fd, ...rest));
for (const [call, name] of [
  ["fsync", "fsyncSync"],
  ["fsync", "fdatasyncSync"],
  ["rename", "renameSync"],
  ["remove", "rmSync"],
  ["remove", "unlinkSync"],
  ["truncate", "truncateSync"],
  ["truncate", "ftruncateSync"],
  ["mkdir", "mkdirSync"],
]) {
  fs[name] = (target, ...rest) => at(nameOf(call, target), () => real[name](target, ...rest));
}

const openHandle = fs.promises.open;
fs.promises.open = async (file, ...rest) => {
  const opening = () => openHandle(file, ...rest);
  // As with reading: nothing changes.
  const handle = await (plan.while === undefined ? opening() : at(nameOf("open", file), opening));
  for (const [call, name] of [
    ["write", "appendFile"],
    ["write", "write"],
    ["write", "writev"],
    ["fsync", "datasync"],
    ["fsync", "sync"],
    ["truncate", "truncate"],
    ...(plan.while === undefined ? [] : [["read", "read"]]),
  ]) {
    const method = handle[name].bind(handle);
    handle[name] = async (...args) => {
      const point = nameOf(call, file);
      await hangs(point);
      return at(point, () => method(...args));
    };
  }
  return handle;
};
for (const [call, name] of [
  ["rename", "rename"],
  ["remove", "unlink"],
  ["remove", "rm"],
]) {
  const method = fs.promises[name];
  fs.promises[name] = async (target, ...rest) => {
    const point = nameOf(call, target);
    await hangs(point);
    return at(point, () => method(target, ...rest));
  };
}
syncBuiltinESMExports();

let Database;
try {
  Database = require("better-sqlite3");
} catch {
  // Not installed: then there are no such points.
}
if (Database) {
  const { transaction } = Database.prototype;
  Database.prototype.transaction = function (work) {
    const inner = transaction.call(this, (...args) => {
      at("sqlite begun", () => undefined);
      const result = work(...args);
      at("sqlite before commit", () => undefined);
      return result;
    });
    const outer =
      (run) =>
      (...args) => {
        const result = run(...args);
        at("sqlite committed", () => undefined);
        return result;
      };
    return Object.assign(outer(inner), {
      immediate: outer(inner.immediate),
      exclusive: outer(inner.exclusive),
    });
  };
}
