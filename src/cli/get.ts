import { loadConfig } from "../config/load.ts";
import { PatterndError } from "../errors.ts";
import type { AskFlags } from "./query.ts";
import { openSource } from "./source.ts";
import { print, say } from "./terminal.ts";

/** `patternd get ID`: exactly the stored line; laid out for reading on a terminal. */
export async function get(id: string, flags: AskFlags): Promise<number> {
  const config = loadConfig({ file: flags.config, env: process.env });
  const source = await openSource(config, { env: process.env, socket: flags.socket, say });
  try {
    const line = await source.get(id);
    if (line === undefined) {
      throw new PatterndError("not_found", `there is no pattern ${JSON.stringify(id)}`, { hint: "" });
    }
    const isForReading = process.stdout.isTTY && !flags.json;
    await print(`${isForReading ? await laidOut(line) : line}\n`);
    return 0;
  } finally {
    await source.close();
  }
}

/** As text, not by way of a value: numbers and escapes stay what they are. */
async function laidOut(line: string): Promise<string> {
  const { applyEdits, format } = await import("jsonc-parser");
  const text = applyEdits(line, format(line, undefined, { tabSize: 2, insertSpaces: true, eol: "\n" }));
  // The control characters that JSON allows as they are, and a terminal obeys.
  return text.replace(/[\u007f-\u009f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
