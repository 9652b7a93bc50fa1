import { execFile } from "node:child_process";
import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const STEPS = fileURLToPath(new URL("steps.mjs", import.meta.url));

/** @typedef {import("./timing.mjs").Latency} Latency */
/** @typedef {Awaited<ReturnType<typeof measureStore>>} StoreFigures */
/** @typedef {Awaited<ReturnType<typeof measureDay>>} DayFigures */

/**
 * Loads a store and measures what becomes of it.
 *
 * @param {import("../children.mjs").Children} children
 * @param {{ backend: string, folder: string, patterns: string, lines: number }} subject
 *   `folder`: empty; `patterns`: an NDJSON file of that many `lines`
 */
export async function measureStore(children, { backend, folder, patterns, lines }) {
  const path = join(folder, storeName(backend));
  const step = (/** @type {string} */ name, at = path) =>
    run(children, name, { backend, path: at, patterns });
  const load = await step("load");
  const bytes = await bytesOf(path);
  await promisify(execFile)("sync");
  const openWriter = await step("openWriter");
  const openReader = await step("openReader");
  /** @type {Record<string, Latency>} */
  const gets = await step("get");
  /** @type {Record<string, Latency>} */
  const getsReadOnly = await step("getReadOnly");
  /** @type {{ latencies: Record<string, Latency>, digest: string }} */
  const asked = await step("ask");
  const scan = await step("scan");
  const parse = await step("parse");
  if (scan.lines !== lines || parse.lines !== lines) {
    throw new Error(
      `stored ${lines} patterns, read ${scan.lines}, parsed ${parse.lines}: no figure is given`,
    );
  }
  const resend = await onCopy(path, (copy) => step("resend", copy));
  const compressed =
    backend === "filesystem" ? await measureCompression(path, { bytes, scan, asked, step }) : undefined;
  return {
    backend,
    lines,
    load,
    bytes,
    openWriter,
    openReader,
    gets,
    getsReadOnly,
    asked,
    scan,
    parse,
    resend,
    compressed,
  };
}

/**
 * @param {string} path
 * @param {object} before
 * @param {number} before.bytes
 * @param {{ digest: string }} before.scan
 * @param {{ digest: string }} before.asked
 * @param {(name: string) => Promise<any>} before.step
 */
async function measureCompression(path, { bytes, scan, asked, step }) {
  const { seconds, files } = await step("compress");
  const left = await bytesOf(path);
  const openWriter = await step("openWriter");
  /** @type {Record<string, Latency>} */
  const gets = await step("get");
  /** @type {{ latencies: Record<string, Latency>, digest: string }} */
  const askedAgain = await step("ask");
  const scanAgain = await step("scan");
  const resend = await onCopy(path, (copy) => step("resend", copy));
  return {
    seconds,
    files,
    bytes: left,
    ratio: bytes / left,
    sameAnswers: scanAgain.digest === scan.digest && askedAgain.digest === asked.digest,
    openWriter,
    gets,
    asked: askedAgain,
    scan: scanAgain,
    resend,
  };
}

/**
 * Pages of a store whose patterns all lie on one day.
 *
 * @param {import("../children.mjs").Children} children
 * @param {{ backend: string, folder: string, patterns: string, lines: number, name: string }} subject
 */
export async function measureDay(children, { backend, folder, patterns, lines, name }) {
  const subject = { backend, path: join(folder, storeName(backend)), patterns };
  await run(children, "load", subject);
  /** @type {{ first: number[], last: number[] }} */
  const pages = await run(children, "pages", subject);
  return { backend, name, lines, ...pages };
}

/**
 * @param {import("../children.mjs").Children} children
 * @param {string} name
 * @param {object} subject
 * @returns {Promise<any>}
 */
function run(children, name, subject) {
  return children.run(STEPS, [name, JSON.stringify(subject)]);
}

/** @param {string} backend */
function storeName(backend) {
  return backend === "sqlite" ? "store.db" : "store";
}

/**
 * What is written again changes the store: another one is written to.
 *
 * @template T
 * @param {string} path
 * @param {(copy: string) => Promise<T>} measure
 */
async function onCopy(path, measure) {
  const folder = `${path}-copy`;
  await mkdir(folder);
  const copy = join(folder, "store.db");
  await cp(path, copy, { recursive: true });
  const measured = await measure(copy);
  await rm(folder, { recursive: true });
  return measured;
}

/** On disk, a folder's own blocks included. @param {string} path */
async function bytesOf(path) {
  const { stdout } = await promisify(execFile)("du", ["-s", "--block-size=1", path]);
  return Number(stdout.split("\t")[0]);
}
