/**
 * Preloaded into a process that is to end by SIGKILL at a named point of its work: PATTERND_KILL_AT holds, as JSON,
 * `call` (a function of node:fs, `run` of an SQLite statement, or `print`), `of` (a pattern of the file's path or of
 * the SQL), `nth` (counted from 1), `when`: `before`, `half` (of what is written) or `after`; `since`: counted from
 * when another statement has run.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import process from "node:process";
import Database from "better-sqlite3";

const { call, of, nth = 1, when, since } = JSON.parse(process.env.PATTERND_KILL_AT);
const wanted = new RegExp(of);
const paths = new Map();
let count = 0;
let counting = since === undefined;

const die = () => process.kill(process.pid, "SIGKILL");
const isIt = (name) => counting && wanted.test(name) && ++count === nth;

function wrap(object, key, nameOf) {
  const original = object[key];
  object[key] = function (...args) {
    if (!isIt(nameOf.call(this, ...args))) return original.apply(this, args);
    if (when === "half") fs.writeSync.original(args[0], args[1].slice(0, args[1].length >> 1));
    if (when !== "after") die();
    const result = original.apply(this, args);
    die();
    return result;
  };
  object[key].original = original;
}

const { openSync } = fs;
fs.openSync = (path, ...rest) => {
  const fd = openSync(path, ...rest);
  paths.set(fd, String(path));
  return fd;
};
const pathOf = (fd) => paths.get(fd) ?? "";
if (call === "renameSync") wrap(fs, call, (_, to) => to);
else if (call === "print") wrap(process.stdout, "write", String);
else if (call === "run") {
  const statement = Object.getPrototypeOf(new Database(":memory:").prepare("SELECT 1"));
  wrap(statement, "run", function () {
    return this.source;
  });
  const { run } = statement;
  statement.run = function (...args) {
    const result = run.apply(this, args);
    counting ||= new RegExp(since).test(this.source);
    return result;
  };
} else wrap(fs, call, pathOf);
syncBuiltinESMExports();
