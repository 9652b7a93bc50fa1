/**
 * A sender that is answered by nobody: `node throw.mjs TARGET FILE CONNECTIONS` writes FILE over that many connections
 * at once to a socket or a port, ends each when the kernel has all of it, and prints {"started"}: when it began, in
 * milliseconds since the epoch.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { finished } from "node:stream/promises";
import { split } from "./split.mjs";

const [target = "", file = "", connections] = process.argv.slice(2);

const parts = split(readFileSync(file), Number(connections));
const started = performance.timeOrigin + performance.now();
await Promise.all(
  parts.map((part) => {
    const connection = connect(target.includes("/") ? { path: target } : { port: Number(target) });
    connection.end(part);
    connection.resume();
    return finished(connection, { readable: false });
  }),
);
console.log(JSON.stringify({ started }));
