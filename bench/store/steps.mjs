/**
 * One step of the measurement, in a process of its own so that its memory is its own:
 * `node steps.mjs STEP '{"backend","path","patterns"}'` prints its figures as JSON. `path` is the store's,
 * `patterns` the file that its patterns come from.
 */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { PatternStorage } from "../../dist/index.js";
import { PatternParser } from "../../dist/pattern/parse.js";
import { Zone } from "../../dist/pattern/zone.js";
import { openStore } from "../../dist/store/open.js";
import { Random } from "../random.mjs";
import { batchesOf, sampleLines } from "./lines.mjs";
import { QUESTIONS } from "./questions.mjs";
import { latencyOf, secondsOf } from "./timing.mjs";

/** @typedef {{ backend: import("../../dist/store/open.js").BackendKind, path: string, patterns: string }} Subject */

const SEED = 7;
/** Of each question this many answers go into the digest. */
const DIGESTED_ANSWERS = 2;
/** How many lines of a scan go into the digest at once. */
const DIGESTED_LINES = 1_000;
const PAGE = 1_000;
const PAGE_CALLS = 5;
/** Known ids are sent again in batches of this size, until these seconds are up. */
const RESENT_BATCH = 2_000;
const RESEND_SECONDS = 2;
const RESENT_MOST = 20_000;

const parser = new PatternParser({ zone: new Zone("UTC") });
const STEPS = new Map([
  ["load", load],
  ["openWriter", (/** @type {Subject} */ subject) => open(subject, false)],
  ["openReader", (/** @type {Subject} */ subject) => open(subject, true)],
  ["get", (/** @type {Subject} */ subject) => get(subject, false)],
  ["getReadOnly", (/** @type {Subject} */ subject) => get(subject, true)],
  ["ask", ask],
  ["scan", scan],
  ["parse", parse],
  ["resend", resend],
  ["compress", compress],
  ["pages", pages],
]);

const [name = "", subject = "{}"] = process.argv.slice(2);
console.log(JSON.stringify(await STEPS.get(name)?.(JSON.parse(subject))));

/** @param {Subject} subject @param {boolean} readOnly */
function opened({ backend, path }, readOnly) {
  return openStore(backend, { path, readOnly, durability: "fsync", timezone: "UTC" });
}

/** @param {Subject} subject */
function library({ backend, path }) {
  return PatternStorage.open({ backend, path, readOnly: true });
}

/** `seconds`: from lines to durable; `writeSeconds`: of that, the store's part. @param {Subject} subject */
async function load(subject) {
  const store = await opened(subject, false);
  let writeSeconds = 0;
  const seconds = await secondsOf(async () => {
    for (const lines of batchesOf(subject.patterns)) {
      const batch = lines.map(parsed);
      writeSeconds += await secondsOf(() => store.write(batch));
    }
    await store.close();
  });
  return { seconds, writeSeconds };
}

/** @param {Subject} subject @param {boolean} readOnly */
async function open(subject, readOnly) {
  // What every first opening costs, loading code, is not the store's.
  await (await opened({ ...subject, path: `${subject.path}-empty` }, false)).close();
  const rssBefore = process.memoryUsage().rss;
  const started = performance.now();
  const store = await opened(subject, readOnly);
  const seconds = (performance.now() - started) / 1000;
  const rssBytes = process.memoryUsage().rss;
  await store.close();
  return { seconds, rssBytes, rssBefore };
}

/** @param {Subject} subject @param {boolean} readOnly */
async function get(subject, readOnly) {
  const random = new Random(SEED);
  const ids = sampleLines(subject.patterns, 500, random).map((line) => JSON.parse(line).pattern_id);
  const store = await opened(subject, readOnly);
  const known = await latencyOf(async () => {
    const line = await store.get(random.pick(ids));
    if (line === undefined) throw new Error("a pattern that was stored is not there");
    return 1;
  });
  const unknown = await latencyOf(async () => ((await store.get(random.uuidV4())) === undefined ? 0 : 1));
  await store.close();
  return { "load by id": known, "an id nobody has": unknown };
}

/** @param {Subject} subject */
async function ask(subject) {
  const storage = await library(subject);
  /** @type {Record<string, import("./timing.mjs").Latency>} */
  const latencies = {};
  const digest = createHash("sha256");
  for (const [question, optionsOf] of Object.entries(QUESTIONS)) {
    const random = new Random(SEED);
    let calls = 0;
    latencies[question] = await latencyOf(async () => {
      const lines = await storage.queryLines(optionsOf(random));
      calls += 1;
      if (calls <= DIGESTED_ANSWERS) for (const line of lines) digest.update(line).update("\n");
      return lines.length;
    });
  }
  await storage.close();
  return { latencies, digest: digest.digest("hex") };
}

/** `seconds` without the time for the digest. @param {Subject} subject */
async function scan(subject) {
  const storage = await library(subject);
  const digest = createHash("sha256");
  let lines = 0;
  let digestSeconds = 0;
  const seconds = await secondsOf(async () => {
    for await (const batch of inBatches(storage.iterateLines())) {
      lines += batch.length;
      digestSeconds += await secondsOf(() => digest.update(`${batch.join("\n")}\n`));
    }
  });
  await storage.close();
  return { seconds: seconds - digestSeconds, lines, digest: digest.digest("hex") };
}

/** @param {AsyncIterable<string>} lines */
async function* inBatches(lines) {
  let batch = [];
  for await (const line of lines) {
    batch.push(line);
    if (batch.length < DIGESTED_LINES) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/**
 * JSON.parse of every line of the store's own files, or, of a database, of the file that was loaded.
 *
 * @param {Subject} subject
 */
async function parse({ backend, path, patterns }) {
  const files =
    backend === "filesystem"
      ? readdirSync(path, { recursive: true, encoding: "utf8" })
          .filter((file) => file.endsWith(".ndjson"))
          .map((file) => join(path, file))
      : [patterns];
  let lines = 0;
  const seconds = await secondsOf(() => {
    for (const file of files) {
      for (const batch of batchesOf(file)) {
        for (const line of batch) JSON.parse(line.toString("utf8"));
        lines += batch.length;
      }
    }
  });
  return { seconds, lines };
}

/**
 * Patterns per second, of random ids over all days: the same bytes again, then newer versions.
 *
 * @param {Subject} subject
 */
async function resend(subject) {
  const store = await opened(subject, false);
  const random = new Random(SEED);
  /** @param {(line: string) => string} change @param {string} expected */
  const rate = async (change, expected) => {
    let patterns = 0;
    let seconds = 0;
    while (seconds < RESEND_SECONDS && patterns < RESENT_MOST) {
      const lines = new Set(sampleLines(subject.patterns, RESENT_BATCH, random));
      const batch = [...lines].map((line) => parsed(Buffer.from(change(line))));
      let outcomes = /** @type {string[]} */ ([]);
      seconds += await secondsOf(async () => {
        outcomes = await store.write(batch);
      });
      const wrong = outcomes.find((outcome) => outcome !== expected);
      if (wrong !== undefined) throw new Error(`expected ${expected}, got ${wrong}`);
      patterns += batch.length;
    }
    return patterns / seconds;
  };
  const same = await rate((line) => line, "superseded");
  let version = 0;
  const newer = await rate((line) => {
    version += 1;
    return line.replace('"version":"1.0"', `"version":"1.${version}"`);
  }, "replaced");
  await store.close();
  return { same, newer };
}

/** Every day. @param {Subject} subject */
async function compress(subject) {
  const store = await opened(subject, false);
  let files = 0;
  const seconds = await secondsOf(async () => {
    files = await store.compress(Number.MAX_SAFE_INTEGER);
  });
  await store.close();
  return { seconds, files };
}

/** Milliseconds for a page at the newest end of the store and for its last one. @param {Subject} subject */
async function pages(subject) {
  const storage = await library(subject);
  const timesOf = async (/** @type {string | undefined} */ cursor) => {
    const times = [];
    for (let call = 0; call < PAGE_CALLS; call += 1) {
      times.push((await secondsOf(() => storage.queryPage({ limit: PAGE, cursor }))) * 1000);
    }
    return times;
  };
  const beforeLast = await lastCursor(storage, 10 * PAGE, undefined);
  const figures = {
    first: await timesOf(undefined),
    last: await timesOf(await lastCursor(storage, PAGE, beforeLast)),
  };
  await storage.close();
  return figures;
}

/**
 * Where the last page begins that is not empty.
 *
 * @param {PatternStorage} storage
 * @param {number} limit
 * @param {string | undefined} cursor
 */
async function lastCursor(storage, limit, cursor) {
  const page = await storage.queryPage({ limit, cursor });
  return page.cursor === undefined ? cursor : lastCursor(storage, limit, page.cursor);
}

/** @param {Buffer} line */
function parsed(line) {
  const result = parser.parseLine(line);
  if (result.kind !== "pattern") throw new Error(`expected a pattern, got ${line}`);
  return result.pattern;
}
