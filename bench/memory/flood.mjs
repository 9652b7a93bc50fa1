/**
 * `node flood.mjs SOCKET FILE PAUSE_MS` sends FILE over and over, each time with ids of their own and on a connection of its
 * own, and prints the lines of each receipt; until it is killed.
 */
import { randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";

const ID = Buffer.from('"pattern_id":"');
const ID_BYTES = 36;

const [socket, file, pauseMs] = process.argv.slice(2);
const patterns = readFileSync(file);
const ids = [];
for (let at = patterns.indexOf(ID); at >= 0; at = patterns.indexOf(ID, at)) {
  at += ID.length;
  ids.push(at);
}
const random = Buffer.alloc(ID_BYTES / 2);
for (;;) {
  for (const at of ids) patterns.write(randomFillSync(random).toString("hex"), at, "latin1");
  const connection = connect(socket);
  connection.end(patterns);
  const { lines, stored } = JSON.parse(await text(connection)).receipt;
  if (stored !== lines) throw new Error(`${stored} of ${lines} patterns were stored`);
  console.log(lines);
  await setTimeout(Number(pauseMs));
}
