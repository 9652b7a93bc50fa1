/** What gets to no disk closes the queue: nobody waits for room that may never come. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Entry } from "../src/pattern/settlement.ts";
import { RejectedLines } from "../src/queue/rejected/rejected.ts";
import { hangDisk } from "./hanging-disk.ts";
import { line, openSpool, queueWith, Recorder, Refused, store, temporaryFolder } from "./queue-fixture.ts";

/** A spool of this size with a line that an earlier daemon left, which takes most of it. */
async function leftSpool(id: string) {
  const folder = temporaryFolder();
  const earlier = await openSpool({ folder });
  await earlier.append([Buffer.from(id.padEnd(80))]);
  await earlier.close();
  return { folder, spool: await openSpool({ folder, maxBytes: 100 }) };
}

test("a full spool that can't be read lets nothing more in until it can", async () => {
  const { folder, spool } = await leftSpool("a");
  const [file = ""] = readdirSync(folder).map((name) => join(folder, name));
  renameSync(file, `${file}.away`);
  mkdirSync(file);
  const { queue, seen } = await queueWith(store, { spool });
  queue.start();
  const sender = new Recorder();
  const closed = new Promise<void>((resolve) => queue.onAdmission(resolve));
  queue.put(sender, line("b", 80));
  await closed;
  expect(queue.admission).toBe("closed");
  expect(queue.failure("draining")).toMatchObject({ code: "EISDIR" });
  expect(queue.failure("spool")).toMatchObject({ name: "SpoolFull" });
  rmdirSync(file);
  renameSync(`${file}.away`, file);
  await queue.flush();
  expect([queue.admission, queue.failure("draining"), queue.failure("spool")]).toEqual([
    "open",
    undefined,
    undefined,
  ]);
  expect(seen.batches[0]).toEqual(["a"]);
});

test("a full spool whose lines the store refuses lets nothing more in until they can be kept", async () => {
  const { spool } = await leftSpool("bad");
  let isBroken = true;
  const { queue } = await queueWith(
    async (ids) => {
      if (ids.includes("bad")) throw new Refused("not this one");
      return store(ids);
    },
    {
      spool,
      keepRejected: async () => {
        if (isBroken) throw new Error("disk full");
      },
    },
  );
  queue.start();
  const sender = new Recorder();
  queue.put(sender, line("b", 80));
  while (queue.admission !== "closed") await new Promise<void>((resolve) => queue.onAdmission(resolve));
  for (const part of ["draining", "rejected"] as const) expect(queue.failure(part)).toBeInstanceOf(Error);
  isBroken = false;
  await queue.flush();
  expect(queue.admission).toBe("open");
  for (const part of ["draining", "rejected"] as const) expect(queue.failure(part)).toBeUndefined();
  expect(queue.counts.snapshot()).toMatchObject({ rejected: 1, in_flight: 0 });
});

test("a spool that hangs lets in only what there is room for until it answers, and what it then completes counts", async () => {
  const release = await hangDisk();
  let isBroken = true;
  const spool = await openSpool({ durability: "fsync" });
  const { queue, seen, whenDrained } = await queueWith(
    (ids) => (isBroken ? Promise.reject(new Error("disk full")) : store(ids)),
    { spool, maxBytes: 900 },
  );
  const sender = new Recorder();
  queue.put(sender, line("a"));
  while (queue.failure("spool") === undefined)
    await new Promise<void>((resolve) => queue.onAdmission(resolve));
  expect([queue.admission, queue.failure("spool")]).toMatchObject(["open", { name: "Late" }]);
  queue.put(sender, line("b", 500));
  expect(queue.admission).toBe("closed");
  isBroken = false;
  release();
  while (queue.admission !== "open") await new Promise<void>((resolve) => queue.onAdmission(resolve));
  expect(queue.failure("spool")).toBeUndefined();
  await queue.flush();
  await whenDrained;
  expect(sender.settled).toEqual([{ kind: "spooled" }, { kind: "spooled" }]);
  expect(seen.batches.slice(1).flat()).toEqual(["a", "b"]);
  expect(queue.counts.snapshot()).toMatchObject({ received: 2, stored: 2, spooled: 0, in_flight: 0 });
});

test("whoever is held back is told when a spool that failed hangs, and may have a place again", async () => {
  const folder = temporaryFolder();
  const spool = await openSpool({ folder, durability: "fsync" });
  let isBroken = true;
  const { queue, seen } = await queueWith(
    (ids) => (isBroken ? Promise.reject(new Error("disk full")) : store(ids)),
    { spool },
  );
  renameSync(folder, `${folder}.away`);
  const sender = new Recorder();
  queue.put(sender, line("a"));
  while (queue.admission !== "closed") await new Promise<void>((resolve) => queue.onAdmission(resolve));
  const told = new Promise<void>((resolve) => queue.onAdmission(resolve));
  const release = await hangDisk();
  renameSync(`${folder}.away`, folder);
  await told;
  expect([queue.admission, queue.failure("spool")]).toMatchObject(["open", { name: "Late" }]);
  expect(seen.events.filter((event) => event === "spool failed")).toHaveLength(1);
  isBroken = false;
  release();
  await queue.flush();
  expect(queue.failure("spool")).toBeUndefined();
});

test("a folder of rejected lines that hangs closes the queue when they fill it, and keeps each once", async () => {
  const release = await hangDisk();
  const folder = temporaryFolder();
  const rejected = new RejectedLines({ folder, maxBytes: 1e9, days: 30, durability: "fsync" });
  const { queue } = await queueWith(store, {
    maxBytes: 4_000,
    keepRejected: (lines) => rejected.keep(lines),
  });
  const [good, bad] = [new Recorder(), new Recorder()];
  while (queue.admission === "open") queue.put(bad, noJson());
  while (queue.admission !== "closed") await new Promise<void>((resolve) => queue.onAdmission(resolve));
  expect(queue.failure("rejected")).toMatchObject({ name: "Late" });
  queue.put(good, line("a"));
  while (good.settled.length === 0) await new Promise(setImmediate);
  expect(bad.settled).toEqual([]);
  release();
  await queue.flush();
  expect([queue.admission, queue.failure("rejected")]).toEqual(["open", undefined]);
  const records = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8").split("\n"));
  expect(records.map(({ length }) => length - 1)).toEqual([bad.settled.length]);
  expect(queue.counts.snapshot()).toMatchObject({ stored: 1, rejected: bad.settled.length, in_flight: 0 });
});

function noJson(): Entry {
  const rejection = { code: "invalid_json", message: "" } as const;
  return { kind: "rejected", line: { rejection, bytes: new Uint8Array(1_000) } };
}
