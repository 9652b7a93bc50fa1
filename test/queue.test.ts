import { expect, test } from "vitest";
import type { Entry, Outcome, Refusal, Sender, Settlement } from "../src/pattern/settlement.ts";
import { type QueueOptions, WriteQueue } from "../src/queue/queue.ts";
import { retryDelayMs } from "../src/queue/retry.ts";

/** The content of a line is its id; "off" is of a type that is switched off. */
function line(id: string, bytes = 0): Entry {
  return { kind: "line", bytes: Buffer.from(id.padEnd(bytes)), terminated: true };
}

class Recorder implements Sender {
  readonly origin = "socket";
  readonly settled: Settlement[] = [];
  flushes = 0;
  settle(settlement: Settlement): void {
    this.settled.push(settlement);
  }
  flushed(): void {
    this.flushes += 1;
  }
}

class Refused extends Error {}

interface Gate {
  readonly batches: string[][];
  readonly events: string[];
  readonly kept: string[][];
}

function queueWith(
  write: (ids: string[]) => Promise<Outcome[]>,
  options: Partial<QueueOptions<string[]>> = {},
): { queue: WriteQueue<string[]>; seen: Gate } {
  const seen: Gate = { batches: [], events: [], kept: [] };
  const queue = new WriteQueue<string[]>({
    maxBatch: 1000,
    maxDelayMs: 0,
    maxBytes: 1_000_000,
    parse: async (lines) => {
      const ids = lines.map(({ bytes }) => bytes.toString().trim());
      const refused = new Map<number, Refusal>();
      for (const [index, id] of ids.entries()) {
        if (id === "off") refused.set(index, { kind: "not_collected", type: "note" });
      }
      const patterns = ids.filter((id) => id !== "off");
      return { patterns, firstId: patterns[0], refused };
    },
    write: (ids) => {
      seen.batches.push(ids);
      return write(ids);
    },
    keepRejected: async (lines) => {
      seen.kept.push(lines.map(({ rejection }) => rejection.code));
    },
    isRefusal: (error) => error instanceof Refused,
    onNotCollected: (type) => seen.events.push(`not collected: ${type}`),
    onFailed: () => seen.events.push("failed"),
    onDefect: () => seen.events.push("defect"),
    onRecovered: () => seen.events.push("recovered"),
    onFlushed: () => seen.events.push("flushed"),
    ...options,
  });
  return { queue, seen };
}

const store = async (ids: string[]): Promise<Outcome[]> => ids.map(() => "stored");

test("what comes while a batch is written makes the next one", async () => {
  let release = () => {};
  const first = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { queue, seen } = queueWith(async (ids) => {
    if (ids.includes("a")) await first;
    return store(ids);
  });
  const sender = new Recorder();
  queue.put(sender, line("a"));
  await new Promise(setImmediate);
  for (const id of ["b", "c", "d"]) queue.put(sender, line(id));
  expect(sender.settled).toEqual([]);
  release();
  await queue.flush();
  expect(seen.batches).toEqual([["a"], ["b", "c", "d"]]);
  expect(sender.settled).toHaveLength(4);
  expect(sender.flushes).toBe(2);
});

test("a batch without patterns is not written", async () => {
  const { queue, seen } = queueWith(store);
  const sender = new Recorder();
  queue.put(sender, line("off"));
  await queue.flush();
  expect(seen.batches).toEqual([]);
  expect(sender.settled).toEqual([{ kind: "not_collected" }]);
});

test("batches end at maxBatch lines", async () => {
  const { queue, seen } = queueWith(store, { maxBatch: 2 });
  const sender = new Recorder();
  for (const id of ["a", "b", "c", "d", "e"]) queue.put(sender, line(id));
  await queue.flush();
  expect(seen.batches).toEqual([["a", "b"], ["c", "d"], ["e"]]);
});

test("lines of all kinds are settled in the order in which they were put", async () => {
  const { queue, seen } = queueWith(store);
  const sender = new Recorder();
  const rejected = { rejection: { code: "invalid_json", message: "" }, bytes: new Uint8Array(3) } as const;
  queue.put(sender, line("a"));
  queue.put(sender, { kind: "rejected", line: rejected });
  queue.put(sender, line("off"));
  queue.put(sender, line("b"));
  await queue.flush();
  expect(sender.settled.map(({ kind }) => kind)).toEqual(["stored", "rejected", "not_collected", "stored"]);
  expect(seen.kept).toEqual([["invalid_json"]]);
  expect(seen.events).toEqual(["not collected: note", "flushed"]);
  expect(queue.counts.snapshot()).toMatchObject({
    received: 4,
    stored: 2,
    rejected: 1,
    not_collected: 1,
    in_flight: 0,
  });
});

test("a batch that fails because of one pattern is halved until that one is found", async () => {
  const { queue, seen } = queueWith(async (ids) => {
    if (ids.includes("bad")) throw new Refused("not this one");
    return store(ids);
  });
  const sender = new Recorder();
  const ids = ["a", "b", "c", "bad", "e", "f", "g"];
  for (const id of ids) queue.put(sender, line(id));
  await queue.flush();
  expect(sender.settled.map(({ kind }) => kind)).toEqual(
    ids.map((id) => (id === "bad" ? "rejected" : "stored")),
  );
  expect(seen.kept).toEqual([["not_storable"]]);
  expect(seen.events).toEqual(["flushed"]);
});

test("a failing backend is tried again, and said once", async () => {
  let failures = 3;
  const { queue, seen } = queueWith(async (ids) => {
    failures -= 1;
    if (failures >= 0) throw new Error("disk full");
    return store(ids);
  });
  const sender = new Recorder();
  queue.put(sender, line("a"));
  await queue.flush();
  expect(sender.settled).toEqual([{ kind: "stored" }]);
  expect(seen.events).toEqual(["failed", "recovered", "flushed"]);
  expect(queue.failure("store")).toBeUndefined();
});

test("a delay ends when a batch is full, and for a flush", async () => {
  const { queue, seen } = queueWith(store, { maxDelayMs: 2 ** 30, maxBatch: 2 });
  const sender = new Recorder();
  queue.put(sender, line("a"));
  queue.put(sender, line("b"));
  await queue.flush();
  expect(seen.batches).toEqual([["a", "b"]]);
  queue.put(sender, line("c"));
  await queue.flush();
  expect(sender.settled).toHaveLength(3);
});

test("a flush waits for what was put before it, not for what comes after", async () => {
  const { queue } = queueWith(async (ids) => (ids.includes("never") ? new Promise(() => {}) : store(ids)));
  const sender = new Recorder();
  queue.put(sender, line("a"));
  const flushed = queue.flush();
  await new Promise(setImmediate);
  queue.put(sender, line("never"));
  await flushed;
  expect(sender.settled).toEqual([{ kind: "stored" }]);
});

test("when a batch is tried again, the parse that was written is the one that counts", async () => {
  let isEarly = true;
  const { queue } = queueWith(
    async (ids) => {
      if (!isEarly) return store(ids);
      isEarly = false;
      throw new Error("disk full");
    },
    {
      parse: async (lines) => {
        const patterns = lines.map(({ bytes }) => bytes.toString());
        if (!isEarly) return { patterns, firstId: patterns[0], refused: new Map<number, Refusal>() };
        const rejection = { code: "invalid_field", message: "expected not ahead of the clock" } as const;
        const refused = new Map<number, Refusal>([[0, { kind: "rejection", rejection }]]);
        return { patterns: patterns.slice(1), firstId: patterns[1], refused };
      },
    },
  );
  const sender = new Recorder();
  queue.put(sender, line("a"));
  queue.put(sender, line("b"));
  await queue.flush();
  expect(sender.settled).toEqual([{ kind: "stored" }, { kind: "stored" }]);
});

test("an abandoned queue settles nothing more, and ends", async () => {
  let failed = () => {};
  const failing = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const { queue } = queueWith(() => Promise.reject(new Error("disk full")), { onFailed: () => failed() });
  const sender = new Recorder();
  queue.put(sender, line("a"));
  await failing;
  expect(queue.failure("store")).toBeInstanceOf(Error);
  queue.abandon();
  await queue.flush();
  expect(sender.settled).toEqual([]);
  expect(queue.counts.snapshot()).toMatchObject({ received: 1, in_flight: 1 });
});

test("a full queue says so, and calls back when half of it is written", async () => {
  const { queue } = queueWith(store, { maxBytes: 4_000, maxBatch: 2 });
  const sender = new Recorder();
  while (!queue.isFull) queue.put(sender, line("x", 1_000));
  await new Promise<void>((resolve) => queue.onRoom(resolve));
  expect(queue.isFull).toBe(false);
  await queue.flush();
});

test("pauses double up to five seconds, with jitter down to half", () => {
  expect([1, 2, 3, 7, 50].map((n) => retryDelayMs(n, () => 1))).toEqual([100, 200, 400, 5000, 5000]);
  expect(retryDelayMs(3, () => 0)).toBe(200);
});

test("what waits to be kept counts: nobody is called back while it fills the queue, a flush waits for it", async () => {
  let keeps = () => {};
  const kept = new Promise<void>((resolve) => {
    keeps = resolve;
  });
  const { queue } = queueWith(store, { maxBytes: 4_000, keepRejected: () => kept });
  const [good, bad] = [new Recorder(), new Recorder()];
  const rejected = {
    rejection: { code: "invalid_json", message: "" },
    bytes: new Uint8Array(1_000),
  } as const;
  while (!queue.isFull) queue.put(bad, { kind: "rejected", line: rejected });
  queue.put(good, line("a"));
  const events: string[] = [];
  queue.onRoom(() => events.push("room"));
  const flushed = queue.flush().then(() => events.push("flushed"));
  while (good.settled.length === 0) await new Promise(setImmediate);
  expect([events, queue.isFull, bad.settled.length]).toEqual([[], true, 0]);
  keeps();
  await flushed;
  expect(events).toEqual(["room", "flushed"]);
});
