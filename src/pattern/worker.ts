/** Answers one call after the other: see thread.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { parseLines } from "./batch.ts";
import { transferOf } from "./packed.ts";
import { type ParseCall, type ParsedReply, parserOf } from "./thread.ts";

const parser = parserOf(workerData);

parentPort?.on("message", ({ number, lines }: ParseCall) => {
  const parsed = parseLines(parser, lines);
  const reply: ParsedReply = { number, parsed };
  parentPort?.postMessage(reply, transferOf(parsed.patterns));
});
