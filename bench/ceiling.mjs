/**
 * What one thread does that does nothing but the unavoidable: `node ceiling.mjs BACKEND FOLDER PATTERNS` prints
 * {"seconds", "cpuSeconds"} of that alone; getting lines and rows ready is left out.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { numberOf } from "../dist/pattern/id-hash.js";
import { PatternParser } from "../dist/pattern/parse.js";
import { Zone } from "../dist/pattern/zone.js";
import { openStore } from "../dist/store/open.js";
import { loadDriver } from "../dist/store/sqlite/driver.js";
import { configureWriter, openWriter } from "../dist/store/sqlite/file.js";

/** Lines in one append or transaction: as many as a batch of the daemon holds at most. */
const BATCH_LINES = 10_000;
const NEWLINE = 10;
const CEILINGS = new Map([
  ["filesystem", parseAndAppend],
  ["sqlite", insertRows],
]);

const [backend = "", folder = "", patterns = ""] = process.argv.slice(2);
const elapsed = { seconds: 0, cpuSeconds: 0 };
await CEILINGS.get(backend)?.();
console.log(JSON.stringify(elapsed));

/** JSON.parse of each line, one append for each batch, one fsync at the end. */
function parseAndAppend() {
  const file = openSync(join(folder, "patterns.ndjson"), "a");
  for (const { bytes, lines } of batches()) {
    timed(() => {
      for (const line of lines) JSON.parse(line.toString());
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    });
  }
  timed(() => fsyncSync(file));
  closeSync(file);
}

/** Rows into the tables and indexes that the product itself created, one transaction for each batch. */
async function insertRows() {
  const database = await createDatabase();
  const insertPattern = database.prepare(
    `INSERT INTO patterns (seq, pattern_id, pattern_type, timestamp, instant, project, session, host, line)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertId = database.prepare("INSERT INTO ids_recent (hash, seq) VALUES (?, ?)");
  const insertTag = database.prepare("INSERT INTO pattern_tags (tag, instant, seq) VALUES (?, ?, ?)");
  const insertAgent = database.prepare("INSERT INTO pattern_agents (agent, instant, seq) VALUES (?, ?, ?)");
  const insertBatch = database.transaction((/** @type {readonly Rows[]} */ batch) => {
    for (const { pattern, id, tags, agents } of batch) {
      insertPattern.run(pattern);
      insertId.run(id);
      for (const tag of tags) insertTag.run(tag);
      for (const agent of agents) insertAgent.run(agent);
    }
  });
  const parser = new PatternParser({ zone: new Zone("UTC") });
  let seq = 0;
  for (const { lines } of batches()) {
    const batch = lines.map((line) => {
      seq += 1;
      return rowsOf(parser, line, seq);
    });
    timed(() => insertBatch.immediate(batch));
  }
  database.close();
}

async function createDatabase() {
  const path = join(folder, "patterns.db");
  const store = await openStore("sqlite", { path, durability: "fsync", timezone: "UTC", readOnly: false });
  await store.close();
  const database = openWriter(await loadDriver(), path);
  configureWriter(database, "fsync");
  return database;
}

/** @typedef {ReturnType<typeof rowsOf>} Rows */

/**
 * @param {PatternParser} parser
 * @param {Buffer} line
 * @param {number} seq
 */
function rowsOf(parser, line, seq) {
  const parsed = parser.parseLine(line);
  if (parsed.kind !== "pattern") throw new Error(`expected a pattern, got ${line}`);
  const { id, hash, type, timestamp, instant, project, session, host, tags, agents } = parsed.pattern;
  return {
    id: [numberOf(hash), seq],
    pattern: [seq, id, type, timestamp, instant, project, session, host, line.toString()],
    tags: tags.map((tag) => [tag, instant, seq]),
    agents: agents.map((agent) => [agent, instant, seq]),
  };
}

/** @returns {Iterable<{ bytes: Buffer, lines: Buffer[] }>} `lines` without their newlines, `bytes` with them */
function* batches() {
  const file = readFileSync(patterns);
  for (let start = 0, end = 0; start < file.length; start = end) {
    const lines = [];
    while (lines.length < BATCH_LINES && end < file.length) {
      const newline = file.indexOf(NEWLINE, end);
      lines.push(file.subarray(end, newline));
      end = newline + 1;
    }
    yield { bytes: file.subarray(start, end), lines };
  }
}

/** @param {() => void} work */
function timed(work) {
  const cpu = process.cpuUsage();
  const started = performance.now();
  work();
  elapsed.seconds += (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  elapsed.cpuSeconds += (user + system) / 1e6;
}
