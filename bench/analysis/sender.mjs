/**
 * A sender in a process of its own that says hello and waits for acks:
 * `node sender.mjs SOCKET FILE PREFIX COUNT RATE` sends COUNT patterns made of the first lines of FILE, with ids that begin with
 * PREFIX, RATE a second (0: as fast as they are taken), and prints {"rate", "p50", "p99", "max"}: patterns a second, and
 * milliseconds from the write of a pattern to its ack.
 */
import { once } from "node:events";
import { closeSync, openSync, readSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";

const TICK_MS = 5;
const TEMPLATE_BYTES = 1024 * 1024;
const [path = "", file = "", prefix = "", ...numbers] = process.argv.slice(2);
const [count = 0, rate = 0] = numbers.map(Number);

const templates = firstLines(file).map((line) => {
  const { pattern_id: _, timestamp: __, ...rest } = JSON.parse(line);
  return JSON.stringify(rest).slice(1);
});
const socket = connect(path);
const replies = createInterface(socket);
socket.write('{"hello":1,"ack":true}\n');
await once(replies, "line");

/** When each was written, and how long its ack took. */
const written = new Float64Array(count);
const times = new Float64Array(count);
let sent = 0;
let acked = 0;
/** @type {() => void} */
let onDone = () => {};
/** @type {Promise<void>} */
const done = new Promise((resolve) => {
  onDone = resolve;
});
replies.on("line", (line) => {
  const now = performance.now();
  const { ack } = JSON.parse(line);
  if (ack === undefined) throw new Error(`expected an acknowledgement, got ${line}`);
  for (; acked < ack; acked += 1) times[acked] = now - (written[acked] ?? now);
  if (acked === count) onDone();
});

const started = performance.now();
if (rate === 0) while (sent < count) if (!write(Math.min(500, count - sent))) await once(socket, "drain");
while (sent < count) {
  const due = Math.min(count, Math.floor(((performance.now() - started) / 1000) * rate));
  if (due > sent) write(due - sent);
  await new Promise((resolve) => setTimeout(resolve, TICK_MS));
}
await done;
const seconds = (performance.now() - started) / 1000;
socket.destroy();
times.sort();
const at = (/** @type {number} */ share) => times[Math.min(count - 1, Math.floor(count * share))];
console.log(JSON.stringify({ rate: count / seconds, p50: at(0.5), p99: at(0.99), max: times.at(-1) }));

/** @param {number} lines */
function write(lines) {
  let text = "";
  const timestamp = new Date().toISOString();
  for (let n = 0; n < lines; n += 1) {
    const id = `${prefix}-${sent + n}`;
    text += `{"pattern_id":"${id}","timestamp":"${timestamp}",${templates[(sent + n) % templates.length]}\n`;
  }
  written.fill(performance.now(), sent, sent + lines);
  sent += lines;
  return socket.write(text);
}

/** @param {string} name */
function firstLines(name) {
  const fd = openSync(name, "r");
  const bytes = Buffer.alloc(TEMPLATE_BYTES);
  const text = bytes.toString("utf8", 0, readSync(fd, bytes));
  closeSync(fd);
  return text.split("\n").slice(0, -1);
}
