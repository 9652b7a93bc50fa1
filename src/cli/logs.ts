/** `patternd logs`: one short line an event, from the log file, the journal, or a stream of log lines. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import * as v from "valibot";
import { loadConfig } from "../config/load.ts";
import { SYSTEM_LOGS_FOLDER } from "../config/places.ts";
import { messageOf, PatterndError, systemCode } from "../errors.ts";
import { print, printable, say } from "./terminal.ts";

export interface LogsFlags {
  readonly config?: string | undefined;
  readonly follow: boolean;
  readonly lines: number;
  readonly user: boolean;
}

const ELSEWHERE =
  "A daemon in the foreground logs to its own terminal, or to log.file: `patternd logs FILE`.";
/** What journalctl prints where it has no lines. */
const NO_ENTRIES = "-- No entries --";

const logLine = v.looseObject({ time: v.string(), level: v.string(), event: v.string() });

/** `file`: `-` is standard input; undefined is where the configured daemon logs to. */
export async function logs(file: string | undefined, flags: LogsFlags): Promise<number> {
  if (file === "-") {
    await readable(process.stdin);
    return 0;
  }
  const [program, ...words] = source(file, flags);
  const isJournal = program === "journalctl";
  const reader = spawn(program ?? "", words, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number>((resolve, reject) => {
    reader.once("error", (cause) =>
      reject(
        new PatterndError("file_unreadable", `can't run ${program}: ${cause.message}`, {
          cause,
          ...(isJournal ? { hint: ELSEWHERE } : {}),
        }),
      ),
    );
    reader.once("close", (status) => resolve(status === 0 ? 0 : 1));
  });
  const [status, count] = await Promise.all([ended, readable(reader.stdout)]);
  if (isJournal && status === 0 && count === 0) {
    const own = flags.user ? "" : " (of a user's own service: `patternd logs --user`)";
    say(`the journal has nothing of patternd.service${own}\n${ELSEWHERE}`);
  }
  return status;
}

/** tail and journalctl know how to follow what is rotated. */
function source(named: string | undefined, { config, follow, lines, user }: LogsFlags): string[] {
  const files = named === undefined ? configuredFiles(config) : [named];
  if (files.length > 0)
    return ["tail", "-q", "-n", String(lines), ...(follow ? ["-F"] : []), "--", ...toRead(files, follow)];
  const unit = user ? ["--user-unit", "patternd.service"] : ["-u", "patternd.service"];
  return ["journalctl", ...unit, "-o", "cat", "-n", String(lines), ...(follow ? ["-f"] : [])];
}

/**
 * Where it may be, best first: systemd tells its service what a relative path is relative to, and no shell. A
 * configuration that can't be used is what one may be looking for in the log.
 */
function configuredFiles(config: string | undefined): string[] {
  const { env } = process;
  try {
    const files = [env, { LOGS_DIRECTORY: SYSTEM_LOGS_FOLDER, ...env }].flatMap(
      (seen) => loadConfig({ file: config, env: seen }).log.file ?? [],
    );
    return [...new Set(files)];
  } catch (error) {
    if (!(error instanceof PatterndError)) throw error;
    say(`${error.message}\nreading the journal: name a log file, if there is one`);
    return [];
  }
}

/**
 * The first that can be read. Who follows may wait for those that are not there yet.
 *
 * @throws PatterndError `file_unreadable`
 */
function toRead(files: readonly string[], follow: boolean): string[] {
  const faults: string[] = [];
  const missing: string[] = [];
  for (const file of files) {
    try {
      accessSync(file, constants.R_OK);
      return [file];
    } catch (error) {
      const isMissing = systemCode(error) === "ENOENT";
      if (isMissing) missing.push(file);
      faults.push(isMissing ? `there is no ${file}` : messageOf(error));
    }
  }
  if (follow && missing.length > 0) {
    say(`${faults.join("; ")}: waiting`);
    return missing;
  }
  const hint = "Start the daemon once, name its log (`patternd logs FILE`), or be a user who may read it.";
  throw new PatterndError("file_unreadable", `can't read the log: ${faults.join("; ")}`, { hint });
}

/** Returns how many lines there were. */
async function readable(stream: Readable): Promise<number> {
  let count = 0;
  for await (const line of createInterface({ input: stream })) {
    if (line === NO_ENTRIES) continue;
    count += 1;
    await print(`${shortLine(line)}\n`);
  }
  return count;
}

/** `10:00:00.000 info  daemon.started  version=0.1.0 …`; what is no line of the log stays as it is. */
export function shortLine(line: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return printable(line);
  }
  const known = v.safeParse(logLine, parsed);
  if (!known.success) return printable(line);
  const { time, level, event, stack: _, ...fields } = known.output;
  const told = Object.entries(fields).map(([key, value]) => `${key}=${word(value)}`);
  const at = time.replace("T", " ").replace(/\.\d+Z$/, "Z");
  return printable([at, level.padEnd(5), event, ...told].join(" "));
}

function word(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return typeof value === "string" && /\s/.test(text) ? JSON.stringify(text) : text;
}
