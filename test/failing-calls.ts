/** Calls of the file system that fail, in this process: what a full table of descriptors or a bad disk does. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const CALLS = [
  "openSync",
  "closeSync",
  "readSync",
  "writeSync",
  "statSync",
  "fstatSync",
  "renameSync",
  "rmSync",
  "unlinkSync",
  "rmdirSync",
  "mkdirSync",
  "fsyncSync",
  "fdatasyncSync",
  "ftruncateSync",
  "truncateSync",
  "readdirSync",
  "readFileSync",
] as const;

export type Call = (typeof CALLS)[number];

/** Whether this call, the `n`th since the beginning, fails; counted from 1. */
export type Fails = (call: Call, n: number, target: unknown) => boolean;

/** Runs `work` while calls fail with EIO, without having done anything; what `work` results in is ours. */
export async function whileFailing<T>(fails: Fails, work: () => Promise<T>): Promise<T> {
  const real = { ...fs };
  let n = 0;
  for (const call of CALLS) {
    const original: unknown = Reflect.get(real, call);
    if (typeof original !== "function") continue;
    Reflect.set(fs, call, (...args: unknown[]) => {
      n += 1;
      // A descriptor is closed whatever close says.
      if (fails(call, n, args[0])) {
        if (call === "closeSync") Reflect.apply(original, fs, args);
        throw Object.assign(new Error(`EIO: injected into ${call} ${String(args[0])}`), { code: "EIO" });
      }
      return Reflect.apply(original, fs, args);
    });
  }
  syncBuiltinESMExports();
  try {
    return await work();
  } finally {
    for (const call of CALLS) Reflect.set(fs, call, Reflect.get(real, call));
    syncBuiltinESMExports();
  }
}
