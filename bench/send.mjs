/**
 * A sender in a process of its own, so that the daemon's CPU time is the daemon's alone:
 * `node send.mjs SOCKET FILE CONNECTIONS` writes FILE over that many connections at once, half-closes each, and
 * prints {"seconds", "receipts"}: the time from the first connect to the last receipt. The connections have their lines in
 * turn, and none goes on before the kernel has what the one before it said: senders that live at the same time say
 * what happens then.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { turnsOf } from "./split.mjs";

const [socket, file, count] = process.argv.slice(2);

const turns = turnsOf(readFileSync(file), Number(count));
const started = performance.now();
const connections = Array.from({ length: Number(count) }, () => connect(socket));
const replies = Promise.all(connections.map((connection) => text(connection)));
for (const [turn, lines] of turns.entries()) {
  const connection = connections[turn % connections.length];
  await new Promise((resolve) => connection.write(lines, resolve));
}
for (const connection of connections) connection.end();
const receipts = (await replies).map((reply) => JSON.parse(reply.trimEnd().split("\n").at(-1) ?? "").receipt);
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ seconds, receipts }));
