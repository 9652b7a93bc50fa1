import { createRequire } from "node:module";
import type BetterSqlite3 from "better-sqlite3";
import * as v from "valibot";
import { messageOf, PatterndError, systemCode } from "../../errors.ts";

export type Driver = typeof BetterSqlite3;
export type Connection = BetterSqlite3.Database;

/** Whether a disk is. `SHMSIZE`: it has no room for the index of the WAL, which is a file too. */
export function isFull(error: unknown): boolean {
  return /^SQLITE_(FULL|IOERR_SHMSIZE)$/.test(systemCode(error) ?? "");
}

/** Whether a database is. */
export function isCorrupt(error: unknown): boolean {
  return systemCode(error)?.startsWith("SQLITE_CORRUPT") ?? false;
}

const manifestSchema = v.object({ version: v.string() });

/**
 * Loads better-sqlite3, an optional dependency with native code. Two pairs of its and Node's versions end the
 * process instead of throwing, so the pair is looked at before any of that code runs.
 *
 * @throws PatterndError `sqlite_unavailable`
 */
export async function loadDriver(): Promise<Driver> {
  try {
    const manifest: unknown = createRequire(import.meta.url)("better-sqlite3/package.json");
    const fault = pairFault(v.parse(manifestSchema, manifest).version, process.versions);
    if (fault) throw new PatterndError("sqlite_unavailable", fault.message, { hint: fault.hint });
    const { default: driver } = await import("better-sqlite3");
    // The native part is loaded by the first connection, not by the import.
    new driver(":memory:").close();
    return driver;
  } catch (cause) {
    if (cause instanceof PatterndError) throw cause;
    // What the loader says goes on with every place that it looked in.
    const [reason] = messageOf(cause).split(/\.? Tried:|\n/);
    throw new PatterndError("sqlite_unavailable", `better-sqlite3 can't be loaded: ${reason}`, {
      cause,
      ...(systemCode(cause) === "MODULE_NOT_FOUND" ? { hint: missingHint() } : {}),
    });
  }
}

/** `npm rebuild` does nothing about a package that is not there. */
function missingHint(): string {
  const major = pairFault("12.0.0", process.versions) ? 13 : 12;
  return `npm leaves it out where it can't be built, and its log says why. Where patternd is installed, run \`npm install --no-save better-sqlite3@${major}\`; or use backend filesystem, which needs no native code.`;
}

/**
 * Why this version of better-sqlite3 must not be loaded into this Node, or undefined.
 * 13 needs Node-API 10, whatever its `engines` says (https://github.com/WiseLibs/better-sqlite3/issues/1514):
 * below, the first connection is a segmentation fault. 12 aborts in Node 24.19 and later as statements are
 * collected as garbage.
 */
export function pairFault(
  version: string,
  running: { readonly node: string; readonly napi?: string | undefined },
): { readonly message: string; readonly hint: string } | undefined {
  const major = Number.parseInt(version, 10);
  const [nodeMajor = 0, nodeMinor = 0] = running.node.split(".").map(Number);
  const pair = `better-sqlite3 ${version} does not work in Node ${running.node}`;
  if (major >= 13 && Number(running.napi ?? 0) < 10) {
    return {
      message: `${pair}: it needs Node-API 10, this Node has ${running.napi ?? "none"}`,
      hint: "Use Node 22.14 or newer, or install better-sqlite3@12.",
    };
  }
  if (major === 12 && (nodeMajor > 24 || (nodeMajor === 24 && nodeMinor >= 19))) {
    return { message: `${pair}: it would abort the process`, hint: "Install better-sqlite3@13." };
  }
  return undefined;
}
