/** A parser in a thread of its own: answers one batch after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { parseBatch } from "./batch.ts";
import { transferOf } from "./pack.ts";
import { type PackedLines, type ParsedReply, parserOf, unpackLines } from "./thread.ts";

const parser = parserOf(workerData);

parentPort?.on("message", (packed: PackedLines) => {
  const batch = parseBatch(parser, unpackLines(packed));
  const reply: ParsedReply = { number: packed.number, batch };
  parentPort?.postMessage(reply, transferOf(batch.patterns));
});
