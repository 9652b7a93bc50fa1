/**
 * A sender that is answered by nobody: `node throw.mjs TARGET FILE CONNECTIONS` writes FILE over that many connections
 * at once to a socket or a port, ends each when the kernel has all of it, and prints {"started"}: when it began, in
 * milliseconds since the epoch.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { finished } from "node:stream/promises";
import { sendInTurns } from "./turns.mjs";

const [target = "", file = "", count] = process.argv.slice(2);

const lines = readFileSync(file);
const started = performance.timeOrigin + performance.now();
const connections = Array.from({ length: Number(count) }, () =>
  connect(target.includes("/") ? { path: target } : { port: Number(target) }),
);
for (const connection of connections) connection.resume();
const all = Promise.all(connections.map((connection) => finished(connection, { readable: false })));
await sendInTurns(connections, lines);
await all;
console.log(JSON.stringify({ started }));
