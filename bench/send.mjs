/**
 * A sender in a process of its own, so that the daemon's CPU time is the daemon's alone:
 * `node send.mjs SOCKET FILE CONNECTIONS` writes FILE over that many connections at once, half-closes each, and
 * prints {"seconds", "receipts"}: the time from the first connect to the last receipt.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { split } from "./split.mjs";

const [socket, file, connections] = process.argv.slice(2);

const parts = split(readFileSync(file), Number(connections));
const started = performance.now();
const replies = await Promise.all(parts.map(send));
const seconds = (performance.now() - started) / 1000;
const receipts = replies.map((reply) => JSON.parse(reply.trimEnd().split("\n").at(-1) ?? "").receipt);
console.log(JSON.stringify({ seconds, receipts }));

/** @param {Buffer} part @returns {Promise<string>} everything that the daemon replied */
function send(part) {
  const connection = connect(socket);
  connection.end(part);
  return text(connection);
}
