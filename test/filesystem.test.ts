/** What is particular to files: damage, crashes and other hands. */
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PatternParser } from "../src/pattern/parse.ts";
import type { Pattern } from "../src/pattern/pattern.ts";
import { Zone } from "../src/pattern/zone.ts";
import type { StoreRepair } from "../src/store/backend.ts";
import { openFilesystem } from "../src/store/filesystem/backend.ts";

const DAY = "2026/11/20";
const parser = new PatternParser({ zone: new Zone("UTC") });
let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), "patternd-files-")), "store");
});
afterEach(() => rmSync(join(path, ".."), { recursive: true }));

function pattern(id: string, about: { at?: string; note?: string; type?: string } = {}): Pattern {
  const { at = "10:00:00", note = "", type = "user_correction" } = about;
  const correction = { original_output: "a", corrected_output: "b", correction_type: "c", agent: "d", note };
  const usage = { agent_type: "a", task_type: "b", success: true, duration_ms: 1, note };
  const data = type === "user_correction" ? correction : usage;
  const text = JSON.stringify({ pattern_id: id, pattern_type: type, timestamp: `2026-11-20T${at}Z`, data });
  const parsed = parser.parseLine(Buffer.from(text));
  if (parsed.kind !== "pattern") throw new Error(JSON.stringify(parsed));
  return parsed.pattern;
}

const open = (readOnly = false, repairs: StoreRepair[] = []) =>
  openFilesystem({
    path,
    durability: "fsync",
    timezone: "UTC",
    readOnly,
    onRepair: (repair) => repairs.push(repair),
  });

const segment = (type = "user_correction") => join(path, DAY, `${type}.ndjson`);

async function ids(readOnly = false): Promise<string[]> {
  const store = await open(readOnly);
  const { lines } = await store.query({}, { limit: 100 });
  await store.close();
  return lines.map((line) => JSON.parse(line).pattern_id);
}

test("a write that a crash cut short is cut off and kept aside", async () => {
  const store = await open();
  await store.write([pattern("a"), pattern("b")]);
  await store.close();
  appendFileSync(segment(), '{"pattern_id":"torn"');
  expect(await ids(true)).toEqual(["a", "b"]);
  const repairs: StoreRepair[] = [];
  const again = await open(false, repairs);
  expect(repairs).toMatchObject([{ file: segment(), bytes: 20 }]);
  expect(readFileSync(repairs[0]?.keptAs ?? "", "utf8")).toBe('{"pattern_id":"torn"');
  expect(await again.write([pattern("c"), pattern("a")])).toEqual(["stored", "superseded"]);
  await again.close();
  expect(await ids()).toEqual(["a", "b", "c"]);
});

test("a mark whose newer line never came does not count, then or later", async () => {
  const store = await open();
  await store.write([pattern("a"), pattern("b")]);
  const { size } = { size: readFileSync(segment()).length };
  await store.write([pattern("a", { at: "11:00:00" })]);
  await store.close();
  // As a power cut leaves it that kept the mark, which is written first, and not the line.
  truncateSync(segment(), size);
  expect(await ids(true)).toEqual(["a", "b"]);
  const again = await open();
  expect(await again.write([pattern("c", { note: "in the place of the lost line" })])).toEqual(["stored"]);
  await again.close();
  expect(await ids()).toEqual(["a", "b", "c"]);
});

test("a mark on a line that is not there does not hide the one that comes to stand in its place", async () => {
  const store = await open();
  await store.write([pattern("x")]);
  await store.write([pattern("x", { at: "11:00:00", type: "agent_usage" })]);
  await store.close();
  // Somebody's hand, or a disk that lost what it had promised, left the newer version only.
  truncateSync(segment(), 0);
  const again = await open();
  expect(await again.write([pattern("y")])).toEqual(["stored"]);
  await again.close();
  expect(await ids()).toEqual(["x", "y"]);
});

test("damaged marks are passed over", async () => {
  const store = await open();
  await store.write([pattern("a")]);
  await store.write([pattern("a", { at: "11:00:00" })]);
  await store.close();
  appendFileSync(join(path, DAY, ".replaced"), "\0\0\0\n{}\n");
  expect(await ids(true)).toEqual(["a"]);
  expect(await ids()).toEqual(["a"]);
});

test("a segment that somebody moved away takes no more lines", async () => {
  const store = await open();
  await store.write([pattern("a")]);
  renameSync(segment(), `${segment()}.away`);
  await expect(store.write([pattern("b")])).rejects.toMatchObject({ code: "store_failed" });
  writeFileSync(segment(), "");
  await expect(store.write([pattern("b")])).rejects.toMatchObject({ code: "store_failed" });
  renameSync(`${segment()}.away`, segment());
  expect(await store.write([pattern("b")])).toEqual(["stored"]);
  await store.close();
  expect(await ids()).toEqual(["a", "b"]);
});

test("who asks for little does not wait for the answer to who asked for much", async () => {
  const store = await open();
  const note = "x".repeat(10_000);
  await store.write(Array.from({ length: 200 }, (_, n) => pattern(`long-${n}`, { note })));
  await store.write([pattern("short", { type: "agent_usage" })]);
  const answered: string[] = [];
  const much = store.query({}, { limit: 1000 }).then(() => answered.push("much"));
  const little = store
    .query({ patternType: "agent_usage" }, { limit: 1 })
    .then(() => answered.push("little"));
  await Promise.all([much, little]);
  expect(answered).toEqual(["little", "much"]);
  await store.close();
});

test("a question that is asked when the store is closed ends, and leaves nothing open", async () => {
  const before = openFiles();
  const store = await open();
  await store.write(Array.from({ length: 200 }, (_, n) => pattern(`p${n}`, { note: "x".repeat(10_000) })));
  const question = store.query({}, { limit: 1000 });
  expect(openFiles()).toBeGreaterThan(before);
  await store.close();
  await expect(question).rejects.toMatchObject({ code: "store_closed" });
  expect(openFiles()).toBe(before);
});

/** Of this process, below the folder. */
function openFiles(): number {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(join("/proc/self/fd", fd));
    } catch {
      return "";
    }
  });
  return links.filter((link) => link.startsWith(path)).length;
}

test("many questions at once are all answered, and hold no more files open than a few", async () => {
  const store = await open();
  const note = "x".repeat(10_000);
  await store.write(Array.from({ length: 100 }, (_, n) => pattern(`p${n}`, { note })));
  const before = openFiles();
  const questions = Array.from({ length: 50 }, () => store.query({}, { limit: 1000 }));
  await new Promise((resolve) => setImmediate(resolve));
  expect(openFiles() - before).toBeLessThanOrEqual(4);
  for (const { lines } of await Promise.all(questions)) expect(lines).toHaveLength(100);
  await store.close();
});
