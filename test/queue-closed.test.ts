/** What gets to no disk closes the queue: nobody waits for room that may never come. */
import { mkdirSync, readdirSync, renameSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
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
  const closed = new Promise<void>((resolve) => queue.onAdmission(resolve));
  queue.put(sender, line("b", 80));
  await closed;
  while (queue.admission !== "closed") await new Promise<void>((resolve) => queue.onAdmission(resolve));
  for (const part of ["draining", "rejected"] as const) expect(queue.failure(part)).toBeInstanceOf(Error);
  isBroken = false;
  await queue.flush();
  expect(queue.admission).toBe("open");
  for (const part of ["draining", "rejected"] as const) expect(queue.failure(part)).toBeUndefined();
  expect(queue.counts.snapshot()).toMatchObject({ rejected: 1, in_flight: 0 });
});
