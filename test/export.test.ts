import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonical } from "../src/pattern/json-text.ts";
import { CSV_HEADER, csvRow } from "../src/transfer/csv.ts";
import { createWorld, errorLine, linesOf, type World } from "./cli-world.ts";
import { expected, MOAI } from "./moai.ts";

async function exported(world: World, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await world.run(["export", ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.anything() });
  return stdout;
}

/** By RFC 4180: the rows, each as its cells. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  for (let row: string[] = []; cell.lastIndex < text.length; ) {
    const [, quoted, plain = "", end] = cell.exec(text) ?? [];
    if (end === undefined) throw new Error("not CSV");
    row.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === ",") continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

test("everything, newest first, from the store and from a daemon; and back in again", async () => {
  const world = createWorld();
  await world.run(["import", MOAI.filesystem]);
  const text = await exported(world);
  expect(linesOf(text).map(canonical)).toEqual(expected());

  const daemon = await world.start();
  expect(await exported(world)).toBe(text);
  const file = join(world.folder, "all.ndjson.gz");
  expect(await exported(world, "--out", file)).toBe("");
  expect(gunzipSync(readFileSync(file)).toString("utf8")).toBe(text);
  expect(await daemon.stop()).toBe(0);

  const copy = `sqlite:${join(world.folder, "copy.db")}`;
  const { stdout } = await world.run(["import", file, "--to", copy, "--json"]);
  expect(JSON.parse(stdout)).toMatchObject({ records: 240, imported: 240, renamed: { count: 0 } });
});

test("takes the query's filters, and the limit only if it is given", async () => {
  const world = createWorld();
  const file = join(world.folder, "in.ndjson");
  const lines = Array.from({ length: 250 }, (_, index) => {
    return errorLine(String(index).padStart(3, "0"), "2026-05-01", { tags: [`t${index % 2}`] });
  });
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  await world.run(["import", file]);
  expect(linesOf(await exported(world))).toEqual(lines);
  expect(linesOf(await exported(world, "--tag", "t1"))).toEqual(lines.filter((_, index) => index % 2 === 1));
  expect(linesOf(await exported(world, "--limit", "3"))).toEqual(lines.slice(0, 3));
  expect(await exported(world, "--type", "agent_usage", "--format", "csv")).toBe(CSV_HEADER);
  expect(await world.run(["export", "--format", "csv", "--json"])).toMatchObject({ status: 64 });
});

test("CSV holds what the pattern holds, whatever it holds", async () => {
  const world = createWorld();
  await world.run(["import", MOAI.filesystem]);
  const [header, ...rows] = readCsv(await exported(world, "--format", "csv"));
  expect(header).toEqual(["pattern_id", "pattern_type", "timestamp", "data", "context", "version"]);
  const cells = linesOf(await exported(world)).map((line) => {
    const { pattern_id, pattern_type, timestamp, version } = JSON.parse(line);
    return [pattern_id, pattern_type, timestamp, version];
  });
  expect(rows.map(([id, type, timestamp, , , version]) => [id, type, timestamp, version])).toEqual(cells);
  expect(rows[0]?.[4]).toContain("9007199254740993");

  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.option(fc.string({ unit: "binary" })), (id, text) => {
      const line = JSON.stringify({
        pattern_id: id,
        pattern_type: "error_occurrence",
        timestamp: "2026-05-01",
        data: { text: `=1+1,"${text}` },
        ...(text === null ? {} : { context: { text }, version: text }),
      });
      const { data, context, version = "1.0" } = JSON.parse(line);
      const wanted = [id, "error_occurrence", "2026-05-01", JSON.stringify(data)];
      expect(readCsv(csvRow(line))).toEqual([
        [...wanted, context === undefined ? "" : JSON.stringify(context), version],
      ]);
    }),
  );
});

test("a file is replaced whole, or left as it was", async () => {
  const world = createWorld();
  await world.run(["import", MOAI.expected]);
  const folder = join(world.folder, "out");
  mkdirSync(folder);
  const file = join(folder, "a.ndjson");
  writeFileSync(file, "before");
  // A cursor that is none is refused by the store only when it is asked.
  const { status } = await world.run(["export", "--cursor", "x", "--out", file]);
  expect(status).toBe(64);
  expect(readFileSync(file, "utf8")).toBe("before");
  await exported(world, "--out", file);
  expect(linesOf(readFileSync(file, "utf8"))).toHaveLength(240);
  expect(readdirSync(folder)).toEqual(["a.ndjson"]);

  const nowhere = join(folder, "missing", "a.ndjson");
  const failed = await world.run(["export", "--out", nowhere]);
  expect(failed).toMatchObject({ status: 1, stderr: expect.stringContaining(`${nowhere} can't be written`) });
  expect(existsSync(join(folder, "missing"))).toBe(false);
});
