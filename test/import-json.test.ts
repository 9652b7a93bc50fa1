import { cpSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { type RecordText, readList } from "../src/transfer/document.ts";
import { createWorld, errorLine, linesOf, type World } from "./cli-world.ts";
import { MOAI } from "./moai.ts";
import { cut, newSeed, seeded } from "./process/patterns.ts";

const listed = v.object({ count: v.number(), first: v.array(v.record(v.string(), v.unknown())) });
const summarySchema = v.looseObject({
  source: v.string(),
  records: v.number(),
  imported: v.number(),
  already_there: v.number(),
  refused: listed,
  unreadable: listed,
  kept_in: v.optional(v.string()),
});

async function imported(world: World, source: string, input: string | Buffer = "") {
  const { status, stdout, stderr } = await world.run(["import", source, "--json"], { input });
  expect(stderr).toBe("");
  return { status, ...v.parse(summarySchema, JSON.parse(stdout)) };
}

async function held(world: World): Promise<string[]> {
  return linesOf((await world.run(["export"])).stdout);
}

/** In the order in which they are stored: newest first. */
const LINES = ["c", "b", "a"].map((id, n) => errorLine(id, `2026-05-0${3 - n}T10:00:00Z`));
const PRETTY = JSON.stringify(
  LINES.map((line) => JSON.parse(line)),
  null,
  2,
);

describe("a list", () => {
  async function read(bytes: Buffer, random = seeded(1), maxBytes = 1_000_000) {
    async function* chunks() {
      yield* cut(bytes, random);
    }
    const texts: RecordText[] = [];
    const list = readList(chunks(), maxBytes);
    for (;;) {
      const { done, value } = await list.next();
      if (done) return { texts, fault: value };
      texts.push(value);
    }
  }

  test("gives its elements as they stand there, however it is laid out and cut", async () => {
    const seed = newSeed("lists");
    const random = seeded(seed);
    const odd = fc.constantFrom('"', "\\", '\\"', "]", "}", ",", "[{", "\u2028", "🦊");
    const blank = fc.constantFrom("", " ", "\n", "\r\n\t");
    const value = fc.oneof(fc.jsonValue(), odd, fc.dictionary(odd, odd));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(value, fc.nat(3), blank)), blank, async (elements, end) => {
        const texts = elements.map(([element, indent]) => JSON.stringify(element, null, indent));
        const inner = texts.map((text, n) => `${elements[n]?.[2]}${text}${end}`).join(",");
        const found = await read(Buffer.from(`${end}[${inner}${end}]${end}`), random);
        expect(found.texts.map(({ bytes }) => bytes.toString())).toEqual(texts);
        expect(found.fault).toBeUndefined();
      }),
      { seed, numRuns: 300 },
    );
  });

  test.each([
    ["[1,,2]", ["1", "", "2"], undefined],
    ["[1,]", ["1", ""], undefined],
    ["[[1}, {2]]", ["[1}", "{2]"], undefined],
    ['[1, {"a": [2', ["1", '{"a": [2'], "its list has no end"],
    ['[1, "2]', ["1", '"2]'], "its list has no end"],
    ["[", [], "its list has no end"],
    ["[1, ", ["1"], "its list has no end"],
    ["[1] \n[2]", ["1"], "there is more behind the end of its list"],
    ["[1]]", ["1"], "there is more behind the end of its list"],
  ])("%s is no reason to lose what is whole", async (text, wanted, fault) => {
    const found = await read(Buffer.from(text));
    expect({ texts: found.texts.map(({ bytes }) => bytes.toString()), fault: found.fault }).toEqual({
      texts: wanted,
      fault,
    });
  });

  test("holds of an element that is too large its beginning", async () => {
    const large = `{"text":"${"x".repeat(300_000)}"}`;
    const { texts } = await read(Buffer.from(`[1,${large},2]`), seeded(2), 200_000);
    expect(texts.map(({ bytes }) => bytes.length)).toEqual([1, 65_536, 1]);
    expect(texts[1]?.whole?.length).toBe(large.length);
    expect(texts[2]?.whole).toBeUndefined();
  });
});

test.each([
  ["of any layout", "list.json", PRETTY],
  ["packed", "list.json.gz", gzipSync(PRETTY)],
  ["with a byte order mark", "list.json", `\uFEFF ${PRETTY}\n`],
  ["by another name", "patterns.txt", `[${LINES.join(", ")}]`],
])("a list %s is imported, and twice is harmless", async (_, name, content) => {
  const world = createWorld();
  const file = join(world.folder, name);
  writeFileSync(file, content);
  expect(await imported(world, file)).toMatchObject({ status: 0, records: 3, imported: 3 });
  expect(await held(world)).toEqual(LINES);
  expect(await imported(world, file)).toMatchObject({ status: 0, imported: 0, already_there: 3 });
});

test("a single object is one pattern, and an empty list none", async () => {
  const world = createWorld();
  const [line = ""] = LINES;
  const file = join(world.folder, "one.json");
  writeFileSync(file, JSON.stringify(JSON.parse(line), null, 4));
  expect(await imported(world, file)).toMatchObject({ status: 0, records: 1, imported: 1 });
  expect(await held(world)).toEqual([line]);
  writeFileSync(file, " [ ]\n");
  expect(await imported(world, file)).toMatchObject({ status: 1, records: 0, unreadable: { count: 0 } });
});

test("what is wrong with some of a list is listed by place, and the rest goes in", async () => {
  const world = createWorld();
  const [newest = "", , oldest = ""] = LINES;
  const file = join(world.folder, "list.json");
  const huge = errorLine("huge", "2026-05-01", { metadata: { text: "x".repeat(5 * 1024 * 1024) } });
  writeFileSync(file, `[${newest},\n{"pattern_id":1}, [], oops, ${huge}, ${oldest}, {"cut`);
  const { kept_in = "", ...summary } = await imported(world, file);
  expect(summary).toMatchObject({ status: 1, records: 7, imported: 2 });
  expect(summary.refused.first.map(({ source, code }) => [source, code])).toEqual([
    [`${file}:2`, "missing_field"],
    [`${file}:3`, "not_an_object"],
    [`${file}:4`, "invalid_json"],
    [`${file}:5`, "line_too_long"],
    [`${file}:7`, "invalid_json"],
  ]);
  expect(summary.unreadable.first).toEqual([
    { file, message: `${file} can't be read whole: its list has no end` },
  ]);
  const kept = linesOf(readFileSync(kept_in, "utf8")).map((line) => JSON.parse(line));
  expect(kept[3]).toMatchObject({ source: `${file}:5`, length: huge.length });
  expect(kept[3].line === huge.slice(0, 65_536)).toBe(true);
  expect(await held(world)).toEqual([newest, oldest]);
});

describe("standard input", () => {
  const ndjson = LINES.map((line) => `${line}\n`).join("");

  test.each([
    ["NDJSON", ndjson],
    ["a list", PRETTY],
    ["a list on one line", `\uFEFF[${LINES.join(",")}]`],
  ])("of %s is imported, and twice is harmless", async (_, input) => {
    const world = createWorld();
    const first = await imported(world, "-", input);
    expect(first).toMatchObject({ status: 0, source: "standard input", records: 3, imported: 3 });
    expect(await held(world)).toEqual(LINES);
    expect(await imported(world, "-", input)).toMatchObject({ imported: 0, already_there: 3 });
  });

  test("that begins with somebody's log is NDJSON with a line that is refused", async () => {
    const world = createWorld();
    const summary = await imported(world, "-", `[INFO] ready\n${ndjson}`);
    expect(summary).toMatchObject({ status: 1, records: 4, imported: 3 });
    expect(summary.refused.first).toMatchObject([{ source: "standard input:1", code: "invalid_json" }]);
  });

  test("with nothing in it is nothing found", async () => {
    const world = createWorld();
    expect(await imported(world, "-")).toMatchObject({ status: 1, records: 0 });
    const { stdout } = await world.run(["import", "-"], { input: ndjson });
    expect(stdout).toContain("3 records in standard input\n3 patterns imported");
  });
});

describe("a source that ends in damage gives what is before it, and says so", () => {
  test("a packed file", async () => {
    const world = createWorld();
    const file = join(world.folder, "cut.ndjson.gz");
    const lines = Array.from({ length: 2_000 }, (_, n) => errorLine(`n${n}`, "2026-05-01"));
    writeFileSync(file, gzipSync(lines.map((line) => `${line}\n`).join("")).subarray(0, -9));
    const summary = await imported(world, file);
    expect(summary).toMatchObject({ status: 1, unreadable: { count: 1, first: [{ file }] } });
    expect(summary.imported).toBeGreaterThan(1_000);
    expect(await held(world)).toHaveLength(summary.imported);
  });

  test("a database", async () => {
    const world = createWorld();
    const file = join(world.folder, "damaged.db");
    cpSync(MOAI.sqlite, file);
    const fd = openSync(file, "r+");
    const half = Math.floor(statSync(file).size / 2);
    writeSync(fd, Buffer.alloc(half, 0xff), 0, half, half);
    const summary = await imported(world, file);
    expect(summary).toMatchObject({ status: 1, unreadable: { count: 1, first: [{ file }] } });
    expect(summary.imported).toBeGreaterThan(0);
  });
});
