/** What a process can say about where it runs, without starting another one. */
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import type { Environment } from "../config/places.ts";

/** Keys of a pattern's `context`; what is not known is left out. */
export interface Surroundings {
  readonly host: string;
  readonly project_name?: string;
  readonly git_branch?: string;
  readonly session_id?: string;
}

/** Never throws: a folder that is gone or closed to us leaves out what it would have said. */
export function surroundings(env: Environment): Surroundings {
  return {
    host: hostname(),
    ...gitSurroundings(),
    ...(env.PATTERND_SESSION ? { session_id: env.PATTERND_SESSION } : {}),
  };
}

/** Local time with its offset: `2025-11-22T17:48:00.123+01:00`. */
export function localTimestamp(now: Date): string {
  const east = -now.getTimezoneOffset();
  const wall = new Date(now.getTime() + east * 60_000).toISOString().slice(0, -1);
  const minutes = Math.abs(east);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${wall}${east < 0 ? "-" : "+"}${two(Math.trunc(minutes / 60))}:${two(minutes % 60)}`;
}

function gitSurroundings(): Pick<Surroundings, "project_name" | "git_branch"> {
  try {
    const root = gitRoot(process.cwd());
    if (root === undefined) return {};
    const name = basename(root);
    const branch = gitBranch(root);
    return {
      ...(name === "" ? {} : { project_name: name }),
      ...(branch === undefined ? {} : { git_branch: branch }),
    };
  } catch {
    return {};
  }
}

function gitRoot(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    if (statSync(join(at, ".git"), { throwIfNoEntry: false })) return at;
    if (at === dirname(at)) return undefined;
  }
}

/** Undefined when HEAD is detached or can't be read. */
function gitBranch(root: string): string | undefined {
  try {
    const head = readFileSync(join(gitFolder(root), "HEAD"), "utf8");
    const branch = /^ref: refs\/heads\/(.+)$/m.exec(head)?.[1];
    // What HEAD says for tools that don't know the reftable format, in which the branch stands elsewhere.
    return branch === ".invalid" ? undefined : branch;
  } catch {
    return undefined;
  }
}

/** In worktrees and submodules `.git` is a file that names the folder. */
function gitFolder(root: string): string {
  const path = join(root, ".git");
  if (statSync(path).isDirectory()) return path;
  const named = /^gitdir: (.+)$/m.exec(readFileSync(path, "utf8"))?.[1];
  return named === undefined ? path : resolve(root, named);
}
