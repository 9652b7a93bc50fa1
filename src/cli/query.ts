import { loadConfig } from "../config/load.ts";
import { type FilterFlags, wantedBy } from "./filters.ts";
import { openSource } from "./source.ts";
import { print, say } from "./terminal.ts";

export interface AskFlags {
  readonly config?: string | undefined;
  readonly socket?: string | undefined;
  readonly json: boolean;
}

/** `patternd query`: a table on a terminal, else exactly the stored lines; where to go on, or that there is nothing, on stderr. */
export async function query(flags: AskFlags & FilterFlags): Promise<number> {
  const wanted = wantedBy(flags);
  const config = loadConfig({ file: flags.config, env: process.env });
  const source = await openSource(config, { env: process.env, socket: flags.socket, say });
  try {
    const { columns } = process.stdout;
    const table =
      process.stdout.isTTY && !flags.json
        ? new (await import("./table.ts")).PatternTable(columns)
        : undefined;
    let next: string | undefined;
    let isEmpty = true;
    for await (const page of source.pages(wanted)) {
      next = page.next;
      if (page.lines.length === 0) continue;
      isEmpty = false;
      await print(table ? table.add(page.lines) : page.lines.map((line) => `${line}\n`).join(""));
    }
    // A pipe takes no lines for an answer; a person wonders.
    if (table && isEmpty && next === undefined) say("no patterns match");
    if (next !== undefined) say(`more: --cursor ${next}`);
    return 0;
  } finally {
    await source.close();
  }
}
