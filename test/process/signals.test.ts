import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { askAll, lines, readReplies, send } from "./client.ts";
import { BACKENDS, Home } from "./daemon.ts";
import { difference, NONE, taskLine, taskLines } from "./patterns.ts";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;
/** Longer than any test may take: whoever waits for this fails. */
const config = { shutdown: { timeoutMs: 600_000 } };

/** A connection that stays open; resolves when the kernel has all of the content. */
async function hold(path: string, content: string | Uint8Array): Promise<Socket> {
  const socket = connect(path);
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, "connect");
  await new Promise((resolve) => socket.write(content, resolve));
  return socket;
}

describe.each(BACKENDS)("%s", (backend) => {
  test.each(SIGNALS)(
    "%s: what was just sent is stored and answered, an unterminated tail is not",
    async (signal) => {
      const home = new Home();
      const daemon = await home.start({ backend, config });
      const whole = taskLines(200);
      const tail = taskLine({ id: "tail" });
      const socket = await hold(daemon.sockets.ingest, Buffer.concat([lines(...whole), Buffer.from(tail)]));
      const silent = await hold(daemon.sockets.ingest, "");
      const answers = [text(socket), text(silent)];
      expect(await daemon.stop(signal)).toBe(0);

      const [said, nothing] = (await Promise.all(answers)).map(readReplies);
      expect(said?.receipt).toEqual({ lines: 200, stored: 200, rejected: 0, not_collected: 0 });
      expect(nothing?.receipt).toEqual({ lines: 0, stored: 0, rejected: 0, not_collected: 0 });
      expect(await daemon.event("daemon.stopping")).toMatchObject({ reason: signal });
      expect(await daemon.event("daemon.stopped")).toMatchObject({
        received: 200,
        stored: 200,
        abandoned: 0,
      });
      const again = await home.start({ backend });
      expect(difference(await askAll(again.sockets.query, 1000), whole)).toEqual(NONE);
    },
  );

  test("senders in the midst of a long send are read to their end", async () => {
    const home = new Home();
    const daemon = await home.start({ backend, config });
    const batches = Array.from({ length: 10 }, () => taskLines(2000));
    const sending = Promise.all(batches.map((batch) => send(daemon.sockets.ingest, [lines(...batch)])));
    // All are accepted and none is finished: a pipe holds far less than what each sends.
    const waiting = await Promise.all(batches.map(() => hold(daemon.sockets.ingest, "")));
    expect(await daemon.stop()).toBe(0);
    for (const socket of waiting) socket.destroy();
    for (const { receipt } of await sending) {
      expect(receipt).toEqual({ lines: 2000, stored: 2000, rejected: 0, not_collected: 0 });
    }
    const again = await home.start({ backend });
    expect(difference(await askAll(again.sockets.query, 10_000), batches.flat())).toEqual(NONE);
  });

  test("a second signal exits at once, with a failure", async () => {
    const home = new Home();
    const daemon = await home.start({ backend, config });
    await holdUpTheQueue(home, daemon.sockets.ingest);
    daemon.signal("SIGTERM");
    await daemon.event("daemon.stopping");
    const status = await daemon.stop("SIGTERM");
    expect(status).not.toBe(0);
  });

  test("what can't be settled in time is abandoned, said so, and exits with a failure", async () => {
    const home = new Home();
    const daemon = await home.start({ backend, config: { shutdown: { timeoutMs: 200 } } });
    await holdUpTheQueue(home, daemon.sockets.ingest);
    expect(await daemon.stop()).toBe(1);
    expect(await daemon.event("daemon.stopped")).toMatchObject({ level: "error", received: 1, abandoned: 1 });
  });
});

/** A rejected line that can't be kept, since a file is in the folder's place: it stays on its way. */
async function holdUpTheQueue(home: Home, ingest: string): Promise<void> {
  writeFileSync(join(home.state, "rejected"), "");
  await hold(ingest, "not JSON\n");
}
