import { createReadStream } from "node:fs";
import { type Config, loadConfig } from "../config/load.ts";
import { messageOf, PatterndError } from "../errors.ts";
import type { SingleFrame } from "../ingest/framing.ts";
import { numberedFrames } from "../ingest/numbered.ts";
import { PatternParser } from "../pattern/parse.ts";
import type { Rejection } from "../pattern/rejection.ts";
import { Zone } from "../pattern/zone.ts";
import type { ValidateAnswer } from "./answers.ts";
import { standardInput } from "./input.ts";
import { print, say } from "./terminal.ts";

/** `patternd validate [FILE…]`: 1 if any line would be rejected. */
export async function validate(
  files: readonly string[],
  flags: { config?: string | undefined; json: boolean },
): Promise<number> {
  const config = loadConfig({ file: flags.config, env: process.env });
  const parser = new PatternParser({ zone: new Zone(config.timezone), types: config.types });
  let lines = 0;
  let rejected = 0;
  for (const file of files.length === 0 ? ["-"] : files) {
    for await (const [number, rejection] of checked(file, config, parser)) {
      lines += 1;
      if (!rejection) continue;
      rejected += 1;
      await report(file === "-" ? "standard input" : file, number, rejection, flags.json);
    }
  }
  say(`${lines} ${lines === 1 ? "line" : "lines"}, ${rejected === 0 ? "all valid" : `${rejected} rejected`}`);
  return rejected === 0 ? 0 : 1;
}

/** Each line's number, and why the daemon would reject it if it would. */
async function* checked(
  file: string,
  config: Config,
  parser: PatternParser,
): AsyncGenerator<[number, Rejection | undefined]> {
  const input: AsyncIterable<Buffer> = file === "-" ? standardInput() : createReadStream(file);
  try {
    for await (const frames of numberedFrames(input, config.ingest.maxLineBytes)) {
      for (const { number, frame } of frames) yield [number, rejectionOf(frame, config, parser)];
    }
  } catch (cause) {
    throw new PatterndError("file_unreadable", `${file} can't be read: ${messageOf(cause)}`, { cause });
  }
}

function rejectionOf(frame: SingleFrame, config: Config, parser: PatternParser): Rejection | undefined {
  if (frame.kind === "oversized") {
    const message = `expected at most ${config.ingest.maxLineBytes} bytes, got ${frame.length}`;
    return { code: frame.code, message };
  }
  const parsed = parser.parseLine(frame.bytes);
  if (parsed.kind !== "rejection") return undefined;
  const { code } = parsed.rejection;
  if (frame.terminated || (code !== "invalid_json" && code !== "invalid_utf8")) return parsed.rejection;
  return { code: "incomplete_line", message: "expected a newline at the end of the last line" };
}

async function report(file: string, line: number, rejection: Rejection, isJson: boolean): Promise<void> {
  const { code, path, message, patternId } = rejection;
  if (isJson) {
    const answer: ValidateAnswer = { reject: { file, line, code, path, message, pattern_id: patternId } };
    await print(`${JSON.stringify(answer)}\n`);
  } else {
    process.stderr.write(`${file}:${line}: ${code}${path === undefined ? "" : ` ${path}`}: ${message}\n`);
  }
}
