import { loadConfig } from "../config/load.ts";
import { PatterndError } from "../errors.ts";
import { type FilterFlags, wantedBy } from "./filters.ts";
import type { AskFlags } from "./query.ts";
import { openSource } from "./source.ts";
import { print, say } from "./terminal.ts";

/** As the weekly report of the Python library. */
const PERIOD_MS = 7 * 86_400_000;

export interface AnalyzeFlags extends AskFlags, Omit<FilterFlags, "limit" | "cursor"> {
  readonly all: boolean;
  readonly markdown: boolean;
}

/** `patternd analyze`: tables on a terminal, else one JSON object; or Markdown, wherever it goes. */
export async function analyze({ all, markdown, ...flags }: AnalyzeFlags): Promise<number> {
  if (all && flags.since !== undefined) throw usage("--all has no --since");
  if (markdown && flags.json) throw usage("--json and --markdown are two forms of one report");
  const { parameters } = wantedBy(flags);
  const startDate = parameters.startDate ?? (all ? undefined : startBefore(parameters.endDate));
  const config = loadConfig({ file: flags.config, env: process.env });
  const source = await openSource(config, { env: process.env, socket: flags.socket, say });
  try {
    const report = await source.analyse({ ...parameters, startDate });
    const isTable = process.stdout.isTTY && !flags.json;
    if (!markdown && !isTable) {
      await print(`${JSON.stringify(report)}\n`);
      return 0;
    }
    const { reportMarkdown, reportText } = await import("./report-text.ts");
    await print(markdown ? reportMarkdown(report) : reportText(report, process.stdout.columns));
    return 0;
  } finally {
    await source.close();
  }
}

/** @param endDate with a zone; undefined is now */
function startBefore(endDate: string | undefined): string {
  return new Date((endDate === undefined ? Date.now() : Date.parse(endDate)) - PERIOD_MS).toISOString();
}

function usage(message: string): PatterndError {
  return new PatterndError("usage", message);
}
