/** What becomes of lines that the store does not take. */
import { expect, test } from "vitest";
import type { Outcome } from "../src/pattern/settlement.ts";
import { line, openSpool, queueWith, Recorder, Refused, store, temporaryFolder } from "./queue-fixture.ts";

test("what a failing store does not take is spooled, tried again, and said once", async () => {
  let failures = 3;
  const { queue, seen, spool, whenDrained } = await queueWith(async (ids) => {
    failures -= 1;
    if (failures >= 0) throw new Error("disk full");
    return store(ids);
  });
  const sender = new Recorder();
  queue.put(sender, line("a"));
  await queue.flush();
  expect(sender.settled).toEqual([{ kind: "spooled" }]);
  expect(queue.failure("store")).toBeInstanceOf(Error);
  expect(queue.counts.snapshot()).toMatchObject({ received: 1, spooled: 1, stored: 0, in_flight: 0 });
  await whenDrained;
  expect(seen.events).toEqual(["store failed", "spooling", "flushed", "store recovered", "drained"]);
  expect(queue.failure("store")).toBeUndefined();
  expect(queue.counts.snapshot()).toMatchObject({ received: 1, spooled: 0, stored: 1, in_flight: 0 });
  expect(spool.isEmpty).toBe(true);
});

test("what comes while the spool is drained is written behind it", async () => {
  let isBroken = true;
  const { queue, seen, whenDrained } = await queueWith((ids) =>
    isBroken ? Promise.reject(new Error("disk full")) : store(ids),
  );
  const sender = new Recorder();
  queue.put(sender, line("a"));
  await queue.flush();
  isBroken = false;
  for (const id of ["b", "c", "d"]) {
    queue.put(sender, line(id));
    await queue.flush();
  }
  await whenDrained;
  queue.put(sender, line("e"));
  await queue.flush();
  const written = seen.batches.flat();
  expect(written.slice(written.lastIndexOf("a"))).toEqual(["a", "b", "c", "d", "e"]);
  expect(sender.settled.map(({ kind }) => kind)).toEqual([...Array(4).fill("spooled"), "stored"]);
});

test("a store that completes nothing for a second holds nobody up, and what it then completes counts", async () => {
  let release = (_outcomes: Outcome[]) => {};
  const stuck = new Promise<Outcome[]>((resolve) => {
    release = resolve;
  });
  const { queue, seen, whenDrained } = await queueWith((ids) => (ids.includes("a") ? stuck : store(ids)));
  const sender = new Recorder();
  queue.put(sender, line("off"));
  queue.put(sender, line("a"));
  await queue.flush();
  queue.put(sender, line("b"));
  await queue.flush();
  expect(sender.settled.map(({ kind }) => kind)).toEqual(["not_collected", "spooled", "spooled"]);
  expect(seen.batches).toEqual([["a"]]);
  expect(queue.failure("store")).toMatchObject({ code: "store_failed" });
  expect(queue.counts.snapshot()).toMatchObject({ received: 3, not_collected: 1, spooled: 2, in_flight: 0 });
  release(["superseded"]);
  await whenDrained;
  expect(seen.batches).toEqual([["a"], ["b"]]);
  expect(queue.counts.snapshot()).toMatchObject({ superseded: 1, stored: 1, spooled: 0, in_flight: 0 });
});

test("a store that completes nothing and then fails gets the same lines again, first", async () => {
  let fail = (_error: Error) => {};
  const stuck = new Promise<Outcome[]>((_, reject) => {
    fail = reject;
  });
  let isFirst = true;
  const { queue, seen, whenDrained } = await queueWith((ids) => {
    if (!isFirst) return store(ids);
    isFirst = false;
    return stuck;
  });
  const sender = new Recorder();
  for (const id of ["a", "b"]) {
    queue.put(sender, line(id));
    await queue.flush();
  }
  fail(new Error("disk full"));
  await whenDrained;
  expect(seen.batches).toEqual([["a"], ["a"], ["b"]]);
  expect(queue.counts.snapshot()).toMatchObject({ received: 2, stored: 2, in_flight: 0 });
});

test("with the spool full too nothing more is let in until the store works again", async () => {
  const spool = await openSpool({ maxBytes: 100 });
  let isBroken = true;
  let closed = () => {};
  const whenClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const { queue, seen } = await queueWith(
    (ids) => (isBroken ? Promise.reject(new Error("disk full")) : store(ids)),
    { spool },
  );
  const sender = new Recorder();
  queue.put(sender, line("a", 80));
  await queue.flush();
  queue.onAdmission(() => closed());
  expect(queue.admission).toBe("open");
  queue.put(sender, line("b", 80));
  await whenClosed;
  expect(queue.admission).toBe("closed");
  expect(sender.settled).toHaveLength(1);
  expect(queue.counts.snapshot()).toMatchObject({ received: 2, spooled: 1, in_flight: 1 });
  const opened = new Promise<void>((resolve) => queue.onAdmission(resolve));
  isBroken = false;
  await opened;
  await queue.flush();
  expect(queue.admission).toBe("open");
  expect(seen.events).toContain("spool failed");
  expect(seen.events).toContain("spool recovered");
  const written = seen.batches.flat();
  expect(written.lastIndexOf("a")).toBeLessThan(written.lastIndexOf("b"));
});

test.each(["completes", "fails"])(
  "without room in the spool a batch waits for the store, which then %s",
  async (end) => {
    let answer = () => {};
    const spool = await openSpool({ maxBytes: 0 });
    let isFirst = true;
    const { queue, seen } = await queueWith(
      (ids) => {
        if (!isFirst) return store(ids);
        isFirst = false;
        return new Promise((resolve, reject) => {
          answer = () => (end === "fails" ? reject(new Error("disk full")) : resolve(["stored"]));
        });
      },
      { spool },
    );
    const sender = new Recorder();
    const closed = new Promise<void>((resolve) => queue.onAdmission(resolve));
    queue.put(sender, line("off"));
    queue.put(sender, line("a"));
    await closed;
    expect(queue.admission).toBe("closed");
    expect(sender.settled).toEqual([]);
    answer();
    await queue.flush();
    expect(sender.settled.map(({ kind }) => kind)).toEqual(["not_collected", "stored"]);
    expect(seen.batches).toEqual(end === "fails" ? [["a"], ["a"]] : [["a"]]);
    expect(queue.admission).toBe("open");
    expect(queue.counts.snapshot()).toMatchObject({ stored: 1, spooled: 0, in_flight: 0 });
  },
);

test("in a hurry what the store has not taken goes to the spool, in order", async () => {
  const { queue, spool } = await queueWith(() => new Promise(() => {}));
  const sender = new Recorder();
  for (const id of ["a", "b"]) {
    queue.put(sender, line(id));
    await new Promise(setImmediate);
  }
  queue.hurry();
  await queue.flush();
  expect(sender.settled).toEqual([{ kind: "spooled" }, { kind: "spooled" }]);
  queue.stopDraining();
  const { lines } = (await spool.next()) ?? { lines: [] };
  expect(lines.map(String)).toEqual(["a"]);
  expect(spool.lines).toBe(2);
});

test("what an earlier daemon left is written before anything newer", async () => {
  const folder = temporaryFolder();
  const earlier = await openSpool({ folder });
  await earlier.append(["old", "less old"].map((id) => Buffer.from(id)));
  await earlier.close();
  const spool = await openSpool({ folder });
  const { queue, seen, whenDrained } = await queueWith(store, { spool });
  queue.start();
  const sender = new Recorder();
  queue.put(sender, line("new"));
  await queue.flush();
  await whenDrained;
  expect(seen.batches.flat()).toEqual(["old", "less old", "new"]);
  expect(queue.counts.snapshot()).toMatchObject({
    received: 1,
    spooled_at_start: 2,
    stored: 3,
    in_flight: 0,
  });
});

test("a spooled pattern that the store refuses is kept as rejected, its neighbours are stored", async () => {
  const { queue, seen, spool, whenDrained } = await queueWith(async (ids) => {
    if (ids.includes("bad")) throw new Refused("not this one");
    return store(ids);
  });
  await spool.append(["a", "bad", "c"].map((id) => Buffer.from(id)));
  queue.start();
  await whenDrained;
  expect(seen.kept).toEqual([["not_storable"]]);
  expect(queue.counts.snapshot()).toMatchObject({ spooled_at_start: 3, stored: 2, rejected: 1, spooled: 0 });
});

test("a replayed line that was spooled and that the store then refuses is kept, since it left the files", async () => {
  let isBroken = true;
  const { queue, seen, whenDrained } = await queueWith(async (ids) => {
    if (isBroken) throw new Error("disk full");
    if (ids.includes("bad")) throw new Refused("not this one");
    return store(ids);
  });
  const replay = new Recorder("replayed");
  const rejection = { code: "invalid_json", message: "" } as const;
  queue.put(replay, line("bad"));
  queue.put(replay, { kind: "rejected", line: { rejection, bytes: Buffer.from("no JSON") } });
  await queue.flush();
  expect(replay.settled.map(({ kind }) => kind)).toEqual(["spooled", "rejected"]);
  expect(seen.kept).toEqual([]);
  expect(queue.counts.snapshot()).toMatchObject({ replayed: 2, spooled: 1, rejected: 1, in_flight: 0 });
  isBroken = false;
  await whenDrained;
  expect(seen.kept).toEqual([["not_storable"]]);
  expect(queue.counts.snapshot()).toMatchObject({ replayed: 2, spooled: 0, rejected: 2, in_flight: 0 });
});

test("an abandoned queue settles nothing more, and ends", async () => {
  let failed = () => {};
  const failing = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const spool = await openSpool({ maxBytes: 0 });
  const { queue } = await queueWith(() => Promise.reject(new Error("disk full")), {
    spool,
    onFailed: (part) => part === "spool" && failed(),
  });
  const sender = new Recorder();
  queue.put(sender, line("a"));
  await failing;
  expect(queue.failure("store")).toBeInstanceOf(Error);
  queue.abandon();
  await queue.flush();
  expect(sender.settled).toEqual([]);
  expect(queue.counts.snapshot()).toMatchObject({ received: 1, in_flight: 1 });
});
