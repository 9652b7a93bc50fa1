/** `patternd/client` and peers that are no daemon, or a bad one; programs and daemons: process/pattern-client.test.ts. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { Backlog } from "../src/client/backlog.ts";
import { PatternClient, type PatternClientOptions } from "../src/client/pattern-client.ts";

const HELLO = '{"hello":1,"server":"patternd/0","max_line_bytes":1048576}\n';
const data = { agent_type: "a", task_type: "b", success: true, duration_ms: 1 };

interface Peer {
  readonly options: PatternClientOptions;
  /** What every connection said, in order. */
  readonly heard: string[];
}

/** `answer`: what the peer does when it has heard so much on a connection. */
async function serve(answer: (socket: Socket, heard: string) => void): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), "patternd-"));
  const socket = join(folder, "s");
  const heard: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((connection) => {
    const place = heard.push("") - 1;
    open.add(connection.on("error", () => {}));
    connection.on("data", (chunk) => {
      heard[place] += chunk.toString("utf8");
      answer(connection, heard[place] ?? "");
    });
  });
  onTestFinished(() => {
    server.close();
    for (const connection of open) connection.destroy();
    rmSync(folder, { recursive: true });
  });
  await new Promise<void>((resolve) => {
    server.listen(socket, resolve);
  });
  return { options: { socket, outbox: join(folder, "outbox"), context: { host: "h" } }, heard };
}

function left({ options }: Peer): unknown[] {
  const outbox = options.outbox ?? "";
  const files = readdirSync(outbox).map((name) => readFileSync(join(outbox, name), "utf8"));
  return files.flatMap((text) =>
    text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line).pattern_id),
  );
}

test.each<[string, (socket: Socket, heard: string) => void]>([
  ["says nothing", () => {}],
  ["hangs up", (socket) => socket.destroy()],
  ["speaks another language", (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ["says null", (socket) => socket.write("null\n")],
  ["never ends its reply", (socket) => socket.write("x".repeat(200_000))],
  ["greets and hangs up", (socket) => socket.end(HELLO)],
  ["greets and says nothing more", (socket, heard) => heard.endsWith("true}\n") && socket.write(HELLO)],
  [
    "acknowledges what it was never sent",
    (socket, heard) => socket.write(heard.endsWith("true}\n") ? HELLO : '{"ack":1000}\n'),
  ],
])("a peer that %s promises nothing: what was emitted is left", async (_, answer) => {
  const peer = await serve(answer);
  const client = new PatternClient(peer.options);
  for (const pattern_id of ["a", "b"]) client.emit({ pattern_type: "agent_usage", pattern_id, data });
  expect(await client.close(300)).toBe(true);
  expect(left(peer)).toEqual(["a", "b"]);
  expect(client.counts).toMatchObject({ emitted: 2, settled: 0, left: 2, waiting: 0 });
});

test("what is not acknowledged when a connection ends is sent again, and nothing else", async () => {
  const peer = await serve((socket, heard) => {
    const lines = heard.split("\n").length - 2;
    if (lines === 0) socket.write(HELLO);
    // The first connection takes one line of three; the next one all that are left.
    else if (peer.heard.length === 1) socket.end('{"ack":1}\n');
    else socket.write(`{"ack":${lines}}\n`);
  });
  const client = new PatternClient(peer.options);
  for (const pattern_id of ["a", "b", "c"]) client.emit({ pattern_type: "agent_usage", pattern_id, data });
  expect(await client.close(10_000)).toBe(true);
  expect(client.counts).toMatchObject({ settled: 3, left: 0 });
  const ids = peer.heard.map((text) => [...text.matchAll(/"pattern_id":"(.)"/g)].map((match) => match[1]));
  expect(ids).toEqual([
    ["a", "b", "c"],
    ["b", "c"],
  ]);
});

test("no more is on its way than Linux takes at once, and what is too long for that is left", async () => {
  const peer = await serve((socket, heard) => {
    if (heard.endsWith("true}\n")) socket.write(HELLO);
  });
  const client = new PatternClient(peer.options);
  const note = "é".repeat(1000);
  for (let i = 0; i < 100; i += 1) client.emit({ pattern_type: "agent_usage", data: { ...data, note } });
  client.emit({ pattern_type: "agent_usage", pattern_id: "long", data: { ...data, note: note.repeat(33) } });
  expect(left(peer)).toEqual(["long"]);
  await client.close(500);
  expect(Buffer.byteLength(peer.heard.join(""))).toBeGreaterThan(50_000);
  expect(Buffer.byteLength(peer.heard.join(""))).toBeLessThan(66_000);
  expect(client.counts).toMatchObject({ left: 101, dropped: 0 });
});

test("a backlog is a list of which the front was sent", () => {
  const step = fc.oneof(
    fc.record({ push: fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => `${text}\n`) }),
    fc.record({ send: fc.nat(60) }),
    fc.record({ settle: fc.nat(4) }),
    fc.constant({ unsend: true }),
    fc.constant({ empty: true }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const backlog = new Backlog();
      let sent: string[] = [];
      let unsent: string[] = [];
      const bytes = (lines: readonly string[]) => Buffer.byteLength(lines.join(""));
      for (const action of steps) {
        if ("push" in action) {
          unsent.push(action.push);
          backlog.push(action.push);
        } else if ("send" in action) {
          const more: string[] = [];
          while (unsent.length > 0 && bytes([...sent, ...more, ...unsent.slice(0, 1)]) <= action.send) {
            more.push(...unsent.splice(0, 1));
          }
          sent.push(...more);
          expect(backlog.send(action.send)).toBe(more.join(""));
        } else if ("settle" in action) {
          expect(backlog.settle(action.settle)).toBe(action.settle <= sent.length);
          if (action.settle <= sent.length) sent = sent.slice(action.settle);
        } else if ("unsend" in action) {
          unsent = [...sent, ...unsent];
          sent = [];
          backlog.unsend();
        } else {
          expect(backlog.empty()).toBe([...sent, ...unsent].join(""));
          sent = [];
          unsent = [];
        }
        expect([backlog.length, backlog.sent, backlog.bytes]).toEqual([
          sent.length + unsent.length,
          sent.length,
          bytes([...sent, ...unsent]),
        ]);
      }
    }),
  );
});
