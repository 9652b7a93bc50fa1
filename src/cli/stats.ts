import { loadConfig } from "../config/load.ts";
import { counted } from "./progress.ts";
import type { AskFlags } from "./query.ts";
import { openSource } from "./source.ts";
import { layOut, localTime } from "./table.ts";
import { print, say } from "./terminal.ts";

/** `patternd stats`: what the store holds; one JSON object into a pipe. */
export async function stats(flags: AskFlags): Promise<number> {
  const config = loadConfig({ file: flags.config, env: process.env });
  const source = await openSource(config, { env: process.env, socket: flags.socket, say });
  try {
    const answer = await source.stats();
    if (flags.json || !process.stdout.isTTY) {
      await print(`${JSON.stringify(answer)}\n`);
      return 0;
    }
    const { patterns, by_type, oldest, newest, bytes } = answer;
    const rows = Object.entries(by_type).map(([type, count]) => [type, count.toLocaleString("en")]);
    if (rows.length > 0) await print(`${layOut(["type", "patterns"], rows, process.stdout.columns)}\n\n`);
    const span = oldest && newest ? `, from ${localTime(oldest)} to ${localTime(newest)}` : "";
    await print(`${counted(patterns, "pattern")} in ${counted(bytes, "byte")}${span}\n`);
    return 0;
  } finally {
    await source.close();
  }
}
