/**
 * A sender in a process of its own, so that the daemon's CPU time is the daemon's alone:
 * `node send.mjs SOCKET FILE CONNECTIONS` writes FILE over that many connections at once, half-closes each, and
 * prints {"seconds", "receipts"}: the time from the first connect to the last receipt.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

const NEWLINE = 10;
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

/**
 * @param {Buffer} bytes whole lines
 * @param {number} count
 * @returns {Buffer[]} as many parts of whole lines, about equally long
 */
function split(bytes, count) {
  const ends = Array.from({ length: count }, (_, index) => {
    const about = Math.max(0, Math.floor((bytes.length * (index + 1)) / count) - 1);
    return bytes.indexOf(NEWLINE, about) + 1;
  });
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}
