/**
 * A sender in a process of its own, so that the daemon's CPU time is the daemon's alone:
 * `node send.mjs SOCKET FILE CONNECTIONS` writes FILE over that many connections at once, half-closes each, and
 * prints {"seconds", "receipts"}: the time from the first connect to the last receipt.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { sendInTurns } from "./turns.mjs";

const [socket, file, count] = process.argv.slice(2);

const lines = readFileSync(file);
const started = performance.now();
const connections = Array.from({ length: Number(count) }, () => connect(socket));
const answers = Promise.all(connections.map((connection) => text(connection)));
await sendInTurns(connections, lines);
const replies = await answers;
const seconds = (performance.now() - started) / 1000;
const receipts = replies.map((reply) => JSON.parse(reply.trimEnd().split("\n").at(-1) ?? "").receipt);
console.log(JSON.stringify({ seconds, receipts }));
