/** Senders that say hello: they are answered at once, and told how many of their lines are settled. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { ask, lines } from "./client.ts";
import { BACKENDS, type Daemon, Home } from "./daemon.ts";

function pattern(id: string, extra: object = {}): string {
  const data = { original_output: "a", corrected_output: "b", correction_type: "c", agent: "d" };
  const fields = { pattern_id: id, pattern_type: "user_correction", timestamp: "2026-11-20T10:00:00Z", data };
  return JSON.stringify({ ...fields, ...extra });
}

/** A connection whose replies can be awaited one by one. */
class Talk {
  readonly socket: Socket;
  readonly #replies: AsyncIterator<string>;

  constructor({ sockets }: Daemon) {
    this.socket = connect({ path: sockets.ingest, allowHalfOpen: true });
    this.#replies = createInterface({ input: this.socket })[Symbol.asyncIterator]();
  }

  async reply(): Promise<unknown> {
    const { value, done } = await this.#replies.next();
    return done ? undefined : JSON.parse(value);
  }
}

for (const backend of BACKENDS) {
  test(`${backend}: an ack comes when the lines before it are stored, the receipt at the end`, async () => {
    const daemon = await new Home().start({ backend });
    const talk = new Talk(daemon);
    talk.socket.write('{"hello":1,"ack":true}\n');
    expect(await talk.reply()).toEqual({
      hello: 1,
      server: expect.stringMatching(/^patternd\/\d/),
      max_line_bytes: 1_048_576,
    });
    talk.socket.write(lines(pattern("a")));
    expect(await talk.reply()).toEqual({ ack: 1 });
    expect((await ask(daemon.sockets.query, "/v1/patterns/a")).body).toBe(`${pattern("a")}\n`);
    talk.socket.write(lines(pattern("b"), "[]", pattern("c")));
    expect(await talk.reply()).toMatchObject({ reject: { line: 3, code: "not_an_object" } });
    expect(await talk.reply()).toEqual({ ack: 4 });
    talk.socket.end();
    expect(await talk.reply()).toEqual({ receipt: { lines: 4, stored: 3, rejected: 1, not_collected: 0 } });
    expect(await talk.reply()).toBeUndefined();
  });
}

test("acks only grow, and the last one counts every line", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const talk = new Talk(daemon);
  talk.socket.write('{"hello":1,"ack":true}\n');
  await talk.reply();
  const count = 20_000;
  for (let n = 0; n < count; n += 1000) {
    talk.socket.write(lines(...Array.from({ length: 1000 }, (_, i) => pattern(`p-${n + i}`))));
  }
  talk.socket.end();
  const acks: unknown[] = [];
  for (let reply = await talk.reply(); reply !== undefined; reply = await talk.reply()) acks.push(reply);
  expect(acks.pop()).toEqual({ receipt: { lines: count, stored: count, rejected: 0, not_collected: 0 } });
  expect(acks.at(-1)).toEqual({ ack: count });
  const numbers = acks.map((ack) => Number(Object.values(ack ?? {})[0]));
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
});

test("an unknown version is refused, and nothing behind it is taken", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const talk = new Talk(daemon);
  talk.socket.write(lines('{"hello":2,"ack":true}', pattern("a")));
  expect(await talk.reply()).toMatchObject({ error: { code: "unknown_hello" } });
  expect(await talk.reply()).toBeUndefined();
  expect((await ask(daemon.sockets.query, "/v1/patterns/a")).status).toBe(404);
});

test("a pattern with a field hello is a pattern", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const talk = new Talk(daemon);
  talk.socket.end(lines(pattern("a", { hello: 1 })));
  expect(await talk.reply()).toMatchObject({ receipt: { stored: 1 } });
});

test("a sender that never reads holds nothing up, and loses replies only", async () => {
  const daemon = await new Home().start({ backend: "filesystem" });
  const talk = connect({ path: daemon.sockets.ingest, allowHalfOpen: true });
  talk.pause();
  talk.write('{"hello":1,"ack":true}\n');
  talk.write(`${"[]\n".repeat(20_000)}${pattern("last")}\n`);
  await daemon.event("reply.dropped");
  const other = new Talk(daemon);
  other.socket.end(lines(pattern("other")));
  expect(await other.reply()).toMatchObject({ receipt: { stored: 1 } });
  talk.destroy();
  await once(talk, "close");
  expect((await ask(daemon.sockets.query, "/v1/patterns/last")).status).toBe(200);
});
