import { createWriteStream, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { loadConfig } from "../config/load.ts";
import { messageOf, PatterndError } from "../errors.ts";
import { syncPath } from "../store/durable.ts";
import { CSV_HEADER, csvRow } from "../transfer/csv.ts";
import { type FilterFlags, wantedBy } from "./filters.ts";
import { counted, progress } from "./progress.ts";
import type { AskFlags } from "./query.ts";
import { openSource } from "./source.ts";
import { print, say } from "./terminal.ts";

/** `patternd export`: every pattern that the filters want, once, newest first, page by page. */
export async function exportPatterns(
  flags: AskFlags & FilterFlags & { format: "ndjson" | "csv"; out?: string | undefined },
): Promise<number> {
  if (flags.json && flags.format !== "ndjson") {
    throw new PatterndError("usage", `--json prints NDJSON, --format says ${flags.format}`);
  }
  const wanted = wantedBy(flags);
  const limit = flags.limit === undefined ? Number.POSITIVE_INFINITY : wanted.limit;
  const config = loadConfig({ file: flags.config, env: process.env });
  const source = await openSource(config, { env: process.env, socket: flags.socket, say });
  let patterns = 0;
  const tick = progress(() => `${counted(patterns, "pattern")} exported`);
  const isCsv = flags.format === "csv";
  async function* content(): AsyncGenerator<string> {
    if (isCsv) yield CSV_HEADER;
    for await (const { lines } of source.pages({ ...wanted, limit })) {
      yield lines.map(isCsv ? csvRow : (line) => `${line}\n`).join("");
      patterns += lines.length;
      tick();
    }
  }
  try {
    if (flags.out === undefined) for await (const part of content()) await print(part);
    else await writeTo(flags.out, content());
  } finally {
    await source.close();
  }
  if (flags.out !== undefined) say(`${counted(patterns, "pattern")} in ${flags.out}`);
  return 0;
}

/** A file is there whole or not at all; a device or a pipe is written as it comes. */
async function writeTo(out: string, content: AsyncGenerator<string>): Promise<void> {
  const isFile = statSync(out, { throwIfNoEntry: false })?.isFile() ?? true;
  const file = isFile ? `${out}.part` : out;
  try {
    const into = createWriteStream(file, { mode: 0o600, flush: isFile });
    const input = Readable.from(content);
    await (out.endsWith(".gz") ? pipeline(input, createGzip(), into) : pipeline(input, into));
    if (!isFile) return;
    renameSync(file, out);
    syncPath(dirname(out));
  } catch (cause) {
    if (isFile) rmSync(file, { force: true });
    if (cause instanceof PatterndError) throw cause;
    throw new PatterndError("output_unwritable", `${out} can't be written: ${messageOf(cause)}`, { cause });
  }
}
