import { styleText } from "node:util";
import { streamLines } from "../client/stream.ts";
import { loadConfig } from "../config/load.ts";
import { PatterndError } from "../errors.ts";
import { DEFAULT_TAIL } from "../store/query.ts";
import { type FilterFlags, wantedBy } from "./filters.ts";
import { counted } from "./progress.ts";
import type { AskFlags } from "./query.ts";
import { findDaemon, openSource, searchOf } from "./source.ts";
import { describe } from "./table.ts";
import { isColourful, print, say } from "./terminal.ts";

type Flags = AskFlags & Omit<FilterFlags, "until" | "cursor"> & { readonly follow: boolean };

/** `patternd tail [-f]`: the newest patterns, the newest of them last, and with `-f` each one as it is stored. */
export async function tail(flags: Flags): Promise<number> {
  const { parameters, limit: asked } = wantedBy({ ...flags, until: undefined, cursor: undefined });
  const limit = flags.limit === undefined ? DEFAULT_TAIL : asked;
  const config = loadConfig({ file: flags.config, env: process.env });
  const options = { env: process.env, socket: flags.socket, say };
  const write = writer(flags.json);
  if (flags.follow) {
    const daemon = await findDaemon(config, "query", options);
    if (!daemon)
      throw new PatterndError("daemon_unreachable", "no daemon answers: there is nothing to follow");
    const search = searchOf({ ...parameters, limit: String(limit) });
    const { lines } = await streamLines(daemon.socket, `/v1/tail?${search}`, undefined);
    for await (const piece of lines) await showLive(piece, write);
    say("the daemon has ended");
    return 3;
  }
  const source = await openSource(config, options);
  try {
    const found: string[] = [];
    for await (const { lines } of source.pages({ parameters, limit, cursor: undefined }))
      found.push(...lines);
    await write(found.reverse());
    return 0;
  } finally {
    await source.close();
  }
}

async function showLive(
  lines: readonly string[],
  write: (lines: readonly string[]) => Promise<void>,
): Promise<void> {
  const patterns: string[] = [];
  for (const line of lines) {
    const missed = missedIn(line);
    if (missed === undefined) patterns.push(line);
    else say(`${counted(missed, "pattern")} came faster than they were read`);
  }
  await write(patterns);
}

/** Not a pattern, but a word in between: how many are left out here. */
function missedIn(line: string): number | undefined {
  const count = /^\{"missed":(\d+)\}$/.exec(line)?.[1];
  return count === undefined ? undefined : Number(count);
}

/** One readable line a pattern on a terminal, else the stored lines. */
function writer(isJson: boolean): (lines: readonly string[]) => Promise<void> {
  const write = async (lines: readonly string[], text: (line: string) => string) => {
    if (lines.length > 0) await print(lines.map((line) => `${text(line)}\n`).join(""));
  };
  if (isJson || !process.stdout.isTTY) return (lines) => write(lines, (line) => line);
  return (lines) => write(lines, (line) => readable(line, process.stdout.columns || 80, isColourful()));
}

/** @param width of the terminal, in columns. */
export function readable(line: string, width: number, isColoured: boolean): string {
  const { time, type, agent, outcome, what } = describe(line);
  const start = `${time}  ${type.padEnd(16)}  ${agent.padEnd(14)}  `;
  const text = `${start}${outcome.padEnd(6)}  ${what}`;
  const fitting = text.length > width ? `${text.slice(0, width - 1).toWellFormed()}…` : text;
  if (!isColoured || outcome === "" || start.length + outcome.length > fitting.length) return fitting;
  const end = start.length + outcome.length;
  const coloured = styleText(outcome === "ok" ? "green" : "red", outcome, { validateStream: false });
  return `${fitting.slice(0, start.length)}${coloured}${fitting.slice(end)}`;
}
