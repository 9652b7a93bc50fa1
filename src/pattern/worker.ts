/** Answers one call after the other: see thread.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { parseLines } from "./batch.ts";
import { transferOf } from "./pack.ts";
import { type PackedLines, type ParsedReply, parserOf, unpackLines } from "./thread.ts";

const parser = parserOf(workerData);

parentPort?.on("message", (packed: PackedLines) => {
  const parsed = parseLines(parser, unpackLines(packed), packed.isJudged);
  const reply: ParsedReply = { number: packed.number, parsed };
  parentPort?.postMessage(reply, transferOf(parsed.patterns));
});
