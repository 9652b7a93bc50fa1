/**
 * `node bare-server.mjs SOCKET FILE`: appends whatever it receives, syncs, and answers; prints "ready" when it serves.
 * What a process costs that does not even look at what it is told.
 */
import { fdatasyncSync, openSync, writeSync } from "node:fs";
import { createServer } from "node:net";

const [socket = "", path = ""] = process.argv.slice(2);
const file = openSync(path, "a");
const server = createServer((connection) => {
  connection.on("data", (chunk) => {
    writeSync(file, chunk);
    fdatasyncSync(file);
    connection.write('{"ack":1}\n');
  });
});
server.listen(socket, () => console.log("ready"));
