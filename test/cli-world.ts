/** The built command in real child processes, in a home folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export const MAIN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Whose process it is; the world's owner's if not said. */
  readonly uid?: number | undefined;
}

export interface World {
  readonly folder: string;
  readonly outbox: string;
  readonly env: Record<string, string>;
  run(args: readonly string[], options?: RunOptions): Promise<Run>;
  start(...args: string[]): Promise<Daemon>;
  /** The lines in the outbox, in the order in which they were left. */
  left(): string[];
}

export interface Daemon {
  readonly process: ChildProcess;
  /** Resolves when the log has a line of this event. */
  logged(event: string): Promise<void>;
  /** Resolves to the exit status. */
  stop(): Promise<number | null>;
}

/** @param owner the user whose everything in it is, daemons included; only root may say another than itself. */
export function createWorld(owner?: number): World {
  const folder = mkdtempSync(join(tmpdir(), "patternd-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: folder,
    XDG_RUNTIME_DIR: join(folder, "run"),
    XDG_STATE_HOME: join(folder, "state"),
    XDG_CONFIG_HOME: join(folder, "config"),
    TZ: "UTC",
  };
  const work = join(folder, "work");
  mkdirSync(work);
  if (owner !== undefined) for (const path of [folder, work]) chownSync(path, owner, owner);
  const outbox = join(folder, "state/patternd/outbox");
  return {
    folder,
    outbox,
    env,
    run: (args, { input = "", env: more = {}, cwd = work, uid = owner } = {}) =>
      runToEnd(args, { env: { ...env, ...more }, cwd, ...userOf(uid) }, input),
    start: (...args) => startDaemon(args, { env, cwd: work, ...userOf(owner) }),
    left: () =>
      readdirSync(outbox)
        .sort()
        .flatMap((name) => readFileSync(join(outbox, name), "utf8").trimEnd().split("\n")),
  };
}

interface SpawnOptions {
  readonly env: Record<string, string>;
  readonly cwd: string;
  readonly uid?: number;
  readonly gid?: number;
}

function userOf(uid: number | undefined): { uid?: number; gid?: number } {
  return uid === undefined ? {} : { uid, gid: uid };
}

async function runToEnd(
  args: readonly string[],
  options: SpawnOptions,
  input: string | Buffer,
): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, ...args], options);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  // A command that does not read its input may be gone before it is written.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  await once(child, "close");
  return {
    status: child.exitCode,
    stdout: Buffer.concat(stdout).toString("utf8"),
    stderr: Buffer.concat(stderr).toString("utf8"),
  };
}

async function startDaemon(args: readonly string[], options: SpawnOptions): Promise<Daemon> {
  const child = spawn(process.execPath, [MAIN, "start", ...args], {
    ...options,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const closed = once(child, "close");
  const seen = new Set<string>();
  const waiting = new Map<string, () => void>();
  createInterface(child.stdout).on("line", (line) => {
    const event = /"event":"([^"]+)"/.exec(line)?.[1] ?? "";
    seen.add(event);
    waiting.get(event)?.();
  });
  const logged = async (event: string) => {
    if (seen.has(event)) return;
    const there = new Promise<void>((resolve) => waiting.set(event, resolve));
    const gone = closed.then(() => {
      throw new Error(`the daemon ended before it logged ${event}`);
    });
    await Promise.race([there, gone]);
  };
  await logged("daemon.started");
  return {
    process: child,
    logged,
    async stop() {
      child.kill("SIGTERM");
      await closed;
      return child.exitCode;
    },
  };
}

/** A valid line, without newline. */
export function errorLine(id: string, timestamp: string, more: object = {}): string {
  return JSON.stringify({
    pattern_id: id,
    pattern_type: "error_occurrence",
    timestamp,
    data: { error_type: "TypeError", error_message: "x is undefined" },
    context: { project_name: "p", git_branch: "b", host: "h", session_id: "s", ...more },
  });
}

export function linesOf(text: string): string[] {
  return text === "" ? [] : text.trimEnd().split("\n");
}

/**
 * Emits until the daemon answers within emit's one second, which a busy machine does not always manage: sending the
 * same lines again changes nothing.
 */
export async function emitSettled(world: World, args: readonly string[], input: string) {
  for (let tries = 1; ; tries += 1) {
    const run = await world.run([...args], { input });
    if (tries === 10 || !run.stderr.includes("in the outbox")) return run;
  }
}
