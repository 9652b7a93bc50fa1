/** `patternd logs`: one short line an event, from the log file, the journal, or a stream of log lines. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import * as v from "valibot";
import { loadConfig } from "../config/load.ts";
import { PatterndError } from "../errors.ts";
import { print, printable, say } from "./terminal.ts";

export interface LogsFlags {
  readonly config?: string | undefined;
  readonly follow: boolean;
  readonly lines: number;
  readonly user: boolean;
}

const logLine = v.looseObject({ time: v.string(), level: v.string(), event: v.string() });

/** `file`: `-` is standard input; undefined is where the configured daemon logs to. */
export async function logs(file: string | undefined, flags: LogsFlags): Promise<number> {
  if (file === "-") return readable(process.stdin);
  const [program, ...words] = source(file, flags);
  const reader = spawn(program ?? "", words, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number>((resolve, reject) => {
    reader.once("error", (cause) =>
      reject(new PatterndError("file_unreadable", `can't run ${program}: ${cause.message}`, { cause })),
    );
    reader.once("close", (status) => resolve(status === 0 ? 0 : 1));
  });
  const [status] = await Promise.all([ended, readable(reader.stdout)]);
  return status;
}

/** tail and journalctl know how to follow what is rotated. */
function source(named: string | undefined, { config, follow, lines, user }: LogsFlags): string[] {
  const file = named ?? configuredFile(config);
  if (file !== null) return ["tail", "-n", String(lines), ...(follow ? ["-F"] : []), file];
  const unit = user ? ["--user-unit", "patternd.service"] : ["-u", "patternd.service"];
  return ["journalctl", ...unit, "-o", "cat", "-n", String(lines), ...(follow ? ["-f"] : [])];
}

/** A configuration that can't be used is what one may be looking for in the log. */
function configuredFile(config: string | undefined): string | null {
  try {
    return loadConfig({ file: config, env: process.env }).log.file;
  } catch (error) {
    if (!(error instanceof PatterndError)) throw error;
    say(`${error.message}\nreading the journal: name a log file, if there is one`);
    return null;
  }
}

async function readable(stream: Readable): Promise<number> {
  for await (const line of createInterface({ input: stream })) await print(`${shortLine(line)}\n`);
  return 0;
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
