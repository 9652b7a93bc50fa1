import { expect, test } from "vitest";
import type { Entry, Refusal } from "../src/pattern/settlement.ts";
import { retryDelayMs } from "../src/queue/retry.ts";
import { line, queueWith, Recorder, Refused, store } from "./queue-fixture.ts";

test("what comes while a batch is written makes the next one", async () => {
  let release = () => {};
  const first = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { queue, seen } = await queueWith(async (ids) => {
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

test("what it takes is counted until it is settled, while it is written too", async () => {
  let sizeWhileWriting = 0;
  const { queue } = await queueWith(async (ids) => {
    sizeWhileWriting = queue.bytes;
    return store(ids);
  });
  queue.put(new Recorder(), line("a", 5_000));
  const size = queue.bytes;
  expect(size).toBeGreaterThan(5_000);
  await queue.flush();
  expect(sizeWhileWriting).toBe(size);
  expect(queue.bytes).toBe(0);
});

test("a batch without patterns is not written", async () => {
  const { queue, seen } = await queueWith(store);
  const sender = new Recorder();
  queue.put(sender, line("off"));
  await queue.flush();
  expect(seen.batches).toEqual([]);
  expect(sender.settled).toEqual([{ kind: "not_collected", type: "note" }]);
});

test("batches end at maxBatch lines", async () => {
  const { queue, seen } = await queueWith(store, { maxBatch: 2 });
  const sender = new Recorder();
  for (const id of ["a", "b", "c", "d", "e"]) queue.put(sender, line(id));
  await queue.flush();
  expect(seen.batches).toEqual([["a", "b"], ["c", "d"], ["e"]]);
});

test("lines of all kinds are settled in the order in which they were put", async () => {
  const { queue, seen } = await queueWith(store);
  const sender = new Recorder();
  const rejected = { rejection: { code: "invalid_json", message: "" }, bytes: new Uint8Array(3) } as const;
  queue.put(sender, line("a"));
  queue.put(sender, { kind: "rejected", line: rejected });
  queue.put(sender, line("off"));
  queue.put(sender, line("b"));
  await queue.flush();
  expect(sender.settled.map(({ kind }) => kind)).toEqual(["stored", "rejected", "not_collected", "stored"]);
  expect(seen.kept).toEqual([["invalid_json"]]);
  expect(seen.events).toEqual(["flushed", "not collected: note"]);
  expect(queue.counts.snapshot()).toMatchObject({
    received: 4,
    stored: 2,
    rejected: 1,
    not_collected: 1,
    in_flight: 0,
  });
});

test("a batch that fails because of one pattern is halved until that one is found", async () => {
  const { queue, seen } = await queueWith(async (ids) => {
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

test("a delay ends when a batch is full, and for a flush", async () => {
  const { queue, seen } = await queueWith(store, { maxDelayMs: 2 ** 30, maxBatch: 2 });
  const sender = new Recorder();
  queue.put(sender, line("a"));
  queue.put(sender, line("b"));
  await queue.flush();
  expect(seen.batches).toEqual([["a", "b"]]);
  queue.put(sender, line("c"));
  await queue.flush();
  expect(sender.settled).toHaveLength(3);
});

test("a delay ends when the queue is full, since no more comes", async () => {
  const { queue, seen } = await queueWith(store, { maxDelayMs: 2 ** 30, maxBytes: 4_000 });
  const sender = new Recorder();
  while (queue.admission === "open") queue.put(sender, line("x", 1_000));
  await new Promise<void>((resolve) => queue.onAdmission(resolve));
  expect(queue.admission).toBe("open");
  expect(seen.batches).toEqual([["x", "x", "x"]]);
});

test("a flush waits for what was put before it, not for what comes after", async () => {
  const { queue } = await queueWith(async (ids) =>
    ids.includes("never") ? new Promise(() => {}) : store(ids),
  );
  const sender = new Recorder();
  queue.put(sender, line("a"));
  const flushed = queue.flush();
  await new Promise(setImmediate);
  queue.put(sender, line("never"));
  await flushed;
  expect(sender.settled).toEqual([{ kind: "stored" }]);
});

test("when a batch is halved, the parse that was written is the one that counts", async () => {
  let isEarly = true;
  const { queue } = await queueWith(
    async (ids) => {
      if (ids.includes("bad")) throw new Refused("not this one");
      return store(ids);
    },
    {
      parse: async (lines) => {
        const ids = Array.from(lines, ({ bytes }) => bytes.toString());
        const rejection = { code: "invalid_field", message: "expected not ahead of the clock" } as const;
        const refused = new Map<number, Refusal>(isEarly ? [[0, { kind: "rejection", rejection }]] : []);
        const patterns = ids.slice(refused.size);
        isEarly = false;
        return { patterns, firstId: patterns[0], refused };
      },
    },
  );
  const sender = new Recorder();
  queue.put(sender, line("a"));
  queue.put(sender, line("bad"));
  await queue.flush();
  expect(sender.settled.map(({ kind }) => kind)).toEqual(["stored", "rejected"]);
});

test("a full queue says so, and calls back when half of it is written", async () => {
  const { queue } = await queueWith(store, { maxBytes: 4_000, maxBatch: 2 });
  const sender = new Recorder();
  while (queue.admission === "open") queue.put(sender, line("x", 1_000));
  await new Promise<void>((resolve) => queue.onAdmission(resolve));
  expect(queue.admission).toBe("open");
  await queue.flush();
});

test("pauses double up to five seconds, with jitter down to half", () => {
  expect([1, 2, 3, 7, 50].map((n) => retryDelayMs(n, () => 1))).toEqual([100, 200, 400, 5000, 5000]);
  expect(retryDelayMs(3, () => 0)).toBe(200);
});

function rejected(bytes: number): Entry {
  const rejection = { code: "invalid_json", message: "" } as const;
  return { kind: "rejected", line: { rejection, bytes: new Uint8Array(bytes) } };
}

test("what waits to be kept counts: the queue is full of it, and a flush waits for it", async () => {
  let keeps = () => {};
  const kept = new Promise<void>((resolve) => {
    keeps = resolve;
  });
  const { queue } = await queueWith(store, { maxBytes: 4_000, keepRejected: () => kept });
  const [good, bad] = [new Recorder(), new Recorder()];
  while (queue.admission === "open") queue.put(bad, rejected(1_000));
  queue.put(good, line("a"));
  let isFlushed = false;
  const flushed = queue.flush().then(() => {
    isFlushed = true;
  });
  while (good.settled.length === 0) await new Promise(setImmediate);
  expect([isFlushed, queue.admission, bad.settled.length]).toEqual([false, "full", 0]);
  const opened = new Promise<void>((resolve) => queue.onAdmission(resolve));
  keeps();
  await opened;
  expect(queue.admission).toBe("open");
  await flushed;
});

test("rejected lines that can't be kept close the queue only when they fill it, and whoever waits is told", async () => {
  let isBroken = true;
  const keepRejected = async () => {
    if (isBroken) throw new Error("disk full");
  };
  let failed = () => {};
  const failing = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const { queue } = await queueWith(store, { maxBytes: 4_000, keepRejected, onFailed: () => failed() });
  const [good, bad] = [new Recorder(), new Recorder()];
  queue.put(bad, rejected(1_000));
  await failing;
  queue.put(good, line("a"));
  while (good.settled.length === 0) await new Promise(setImmediate);
  expect([queue.admission, bad.settled.length]).toEqual(["open", 0]);
  expect(queue.counts.snapshot()).toMatchObject({ received: 2, stored: 1, rejected: 0, in_flight: 1 });
  while (queue.admission === "open") queue.put(bad, rejected(1_000));
  expect(queue.admission).toBe("full");
  await new Promise<void>((resolve) => queue.onAdmission(resolve));
  expect(queue.admission).toBe("closed");
  isBroken = false;
  await queue.flush();
  expect(queue.admission).toBe("open");
  expect(new Set(bad.settled.map(({ kind }) => kind))).toEqual(new Set(["rejected"]));
  expect(queue.counts.snapshot()).toMatchObject({ rejected: bad.settled.length, in_flight: 0 });
});
