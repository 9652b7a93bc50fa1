/** Sockets that are handed over: they outlive the daemon, and what is sent meanwhile waits in them. */
import { statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Activated } from "./activated.ts";
import { ask, askAll, lines, send } from "./client.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { difference, NONE, taskLines } from "./patterns.ts";

describe.each(BACKENDS)("%s", (backend) => {
  test("sockets count by their names, and stay what and where they are", async () => {
    const home = new Home();
    const own = { socket: `${home.folder}/not-used.sock` };
    const activated = new Activated(home, { config: { backend, ingest: own, query: own, control: own } });
    await activated.event("holder.ready");
    const before = Object.values(activated.sockets).map((path) => statSync(path).ino);
    const waiting = taskLines(20);
    // Connected and written to before anybody is there to accept.
    const sent = send(activated.sockets.ingest, [lines(...waiting)]);
    activated.start();
    expect((await sent).receipt.stored).toBe(20);
    expect(await activated.event("daemon.started")).toMatchObject({
      ingest: "descriptor 4",
      query: "descriptor 5",
      control: "descriptor 3",
    });
    expect((await ask(activated.sockets.query, "/v1/flush", "POST")).status).toBe(405);
    expect((await ask(activated.sockets.control, "/v1/flush", "POST")).status).toBe(200);

    activated.signal("SIGTERM");
    expect(await activated.event("holder.ended")).toMatchObject({ status: 0 });
    const meanwhile = taskLines(20);
    const next = send(activated.sockets.ingest, [lines(...meanwhile)]);
    activated.start();
    expect((await next).receipt.stored).toBe(20);
    expect(Object.values(activated.sockets).map((path) => statSync(path).ino)).toEqual(before);
    const stored = await askAll(activated.sockets.query, 100);
    expect(difference(stored, [...waiting, ...meanwhile])).toEqual(NONE);
  });
});

test("a sender that goes on while the daemon is stopped again and again loses nothing that was acknowledged", async () => {
  const home = new Home();
  const activated = new Activated(home);
  await activated.event("holder.ready");
  const restarts = 5;
  for (let start = 0; start <= restarts; start += 1) activated.start();
  const stored: string[] = [];
  let isOver = false;
  const sending = async () => {
    while (!isOver) {
      const batch = taskLines(3);
      const { receipt } = await send(activated.sockets.ingest, [lines(...batch)]);
      expect(receipt.stored).toBe(3);
      stored.push(...batch);
    }
  };
  const senders = [sending(), sending(), sending()];
  for (let restart = 1; restart <= restarts; restart += 1) {
    await activated.event("daemon.started", restart);
    const before = stored.length;
    while (stored.length < before + 9)
      await Promise.race([senders[0], new Promise((done) => setTimeout(done, 5))]);
    activated.signal("SIGTERM");
    expect(await activated.event("holder.ended", restart)).toMatchObject({ status: 0 });
  }
  isOver = true;
  await Promise.all(senders);
  expect(difference(await askAll(activated.sockets.query, 1_000), stored)).toEqual(NONE);
});

test.each([
  [
    "an unknown name",
    ["ingest", "patternd-query.socket"],
    /expected sockets named ingest, query, control, got "patternd-query.socket"/,
  ],
  ["a name twice", ["ingest", "ingest"], /expected one socket named ingest, got another/],
])("%s is refused", async (_, names, message) => {
  const home = new Home();
  const activated = new Activated(home, { names });
  activated.start();
  expect(await activated.event("holder.ended")).toMatchObject({ status: 1 });
  expect(activated.errors).toMatch(message);
  expect(activated.errors).toContain("FileDescriptorName=");
});

test("what was handed to another process is left alone", async () => {
  const home = new Home();
  const env = { LISTEN_PID: "1", LISTEN_FDS: "1", LISTEN_FDNAMES: "nothing of ours" };
  const daemon = await home.start({ backend: "filesystem", env });
  expect(daemon.sockets.ingest).toBe(`${home.runtime}/ingest.sock`);
});
