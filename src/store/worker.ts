/** A store in a thread of its own: answers one call after the other, and between the steps of a long one. */
import { parentPort, workerData } from "node:worker_threads";
import { isReusable } from "../pattern/batch-memory.ts";
import type { PackedPatterns } from "../pattern/packed.ts";
import { PatternWindow } from "../pattern/unpack.ts";
import type { Backend, StoreRepair } from "./backend.ts";
import { openStore } from "./open.ts";
import {
  type Call,
  packOutcomes,
  type Reply,
  type Request,
  type ThreadData,
  toPlain,
  type Written,
} from "./protocol.ts";

const port = parentPort;
const { kind, options }: ThreadData = workerData;

function reply(message: Reply, moved: readonly ArrayBuffer[] = []): void {
  port?.postMessage(message, moved);
}

/** Of the write that is done at the moment. */
let syncMs: number | undefined;

const shown = new PatternWindow();

async function write(backend: Backend, patterns: PackedPatterns): Promise<Written> {
  syncMs = undefined;
  try {
    const outcomes = packOutcomes(await backend.write(shown.over(patterns)));
    return { outcomes, syncMs, spent: isReusable(patterns.bytes) ? patterns.bytes : undefined };
  } finally {
    shown.close();
  }
}

async function answerTo(backend: Backend, { number, ...call }: Request): Promise<void> {
  if (call.method !== "write") {
    reply({ number, result: await answer(backend, number, call) });
    return;
  }
  const written = await write(backend, call.patterns);
  reply({ number, result: written }, written.spent ? [written.spent] : []);
}

async function answer(
  backend: Backend,
  number: number,
  call: Exclude<Call, { method: "write" }>,
): Promise<unknown> {
  switch (call.method) {
    case "get":
      return backend.get(call.id);
    case "query":
      return backend.query(call.filter, call.page);
    case "stats":
      return backend.stats();
    case "analyse":
      return backend.analyse(call.filter, call.periods);
    case "deleteOlderThan":
      return backend.deleteOlderThan(call.cutoff, call.exceptions, (deleted) => reply({ number, deleted }));
    case "countOlderThan":
      return backend.countOlderThan(call.cutoff, call.exceptions, call.of);
    case "compress":
      return backend.compress(call.beforeDay);
    case "forget":
      return backend.forget(call.ids);
    case "refuse":
      return backend.refuse(call.ids);
    case "ping":
      return undefined;
    case "close":
      return backend.close();
  }
}

try {
  const repairs: StoreRepair[] = [];
  const backend = await openStore(kind, {
    ...options,
    onRepair: (repair) => repairs.push(repair),
    onSynced: (ms) => {
      syncMs = (syncMs ?? 0) + ms;
    },
  });
  port?.on("message", async (request: Request) => {
    try {
      await answerTo(backend, request);
    } catch (error) {
      reply({ number: request.number, error: toPlain(error) });
    }
    if (request.method === "close") port.close();
  });
  reply({ opened: backend.metadata, repairs });
} catch (error) {
  reply({ number: undefined, error: toPlain(error) });
}
