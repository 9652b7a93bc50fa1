import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { canonical, memberText } from "../src/pattern/json-text.ts";
import { createWorld, errorLine, linesOf, type World } from "./cli-world.ts";
import { expected, expectedToTheSecond, MOAI } from "./moai.ts";
import { BACKENDS } from "./process/daemon.ts";

const listed = v.object({ count: v.number(), first: v.array(v.record(v.string(), v.unknown())) });
const summarySchema = v.looseObject({
  records: v.number(),
  imported: v.number(),
  already_there: v.number(),
  refused: listed,
  renamed: listed,
  unreadable: listed,
  passed_over: listed,
  notes: v.array(v.object({ note: v.string(), count: v.number(), example: v.string() })),
  kept_in: v.optional(v.string()),
  retention: v.optional(v.object({ older: v.number(), keep: v.unknown() })),
});

async function imported(world: World, source: string, ...flags: string[]) {
  const { status, stdout, stderr } = await world.run(["import", source, "--json", ...flags]);
  expect(stderr).toBe("");
  return { status, ...v.parse(summarySchema, JSON.parse(stdout)) };
}

async function queried(world: World, ...flags: string[]): Promise<string[]> {
  const { status, stdout } = await world.run(["query", "--json", "--limit", "10000", ...flags]);
  expect(status).toBe(0);
  return linesOf(stdout);
}

/** The daemon's configuration, in its place. */
function configure(world: World, config: object): void {
  const folder = join(world.folder, "config/patternd");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
}

function sourceFile(world: World, name: string, content: string | Buffer): string {
  const file = join(world.folder, name);
  writeFileSync(file, content);
  return file;
}

describe.each(BACKENDS)("what the Python library wrote, into %s", (backend) => {
  test("its files come in whole, and twice is harmless", async () => {
    const world = createWorld();
    configure(world, { backend });
    const first = await imported(world, MOAI.filesystem);
    expect(first).toMatchObject({ status: 0, records: 240, imported: 240, already_there: 0 });
    const lines = await queried(world);
    expect(lines.map(canonical)).toEqual(expected());
    expect(lines.filter((line) => line.includes('"big":9007199254740993')).length).toBeGreaterThan(0);

    const second = await imported(world, MOAI.filesystem);
    expect(second).toMatchObject({ status: 0, imported: 0, already_there: 240 });
    expect(await queried(world)).toEqual(lines);
  });

  test("its database comes in to the second, which is said", async () => {
    const world = createWorld();
    configure(world, { backend });
    const first = await imported(world, MOAI.sqlite);
    expect(first).toMatchObject({ status: 0, records: 240, imported: 240 });
    expect(first.notes).toMatchObject([{ note: expect.stringContaining("whole seconds"), count: 240 }]);
    expect((await queried(world)).map(canonical)).toEqual(expectedToTheSecond());
    expect(await imported(world, MOAI.sqlite)).toMatchObject({ imported: 0, already_there: 240 });
  });

  test("its collector's records come in, completed, which is said", async () => {
    const world = createWorld();
    configure(world, { backend });
    const first = await imported(world, MOAI.collector);
    expect(first).toMatchObject({ status: 0, records: 120, imported: 120 });
    expect(first.notes).toMatchObject([
      { note: expect.stringContaining("pattern_type"), count: 120 },
      { note: expect.stringContaining("zone"), count: 120 },
      { note: expect.stringContaining("unknown"), count: 30 },
    ]);
    expect(await queried(world, "--type", "user_correction", "--agent", "unknown")).toHaveLength(30);
    const files = readdirSync(join(MOAI.collector, "2026/11/22"));
    const contents = files.map((file) =>
      JSON.parse(readFileSync(join(MOAI.collector, "2026/11/22", file), "utf8")),
    );
    for (const line of await queried(world)) {
      const { pattern_type, ...stored } = JSON.parse(line);
      const original = contents.find(({ pattern_id }) => pattern_id === stored.pattern_id);
      if (pattern_type === "user_correction") original.data.agent = "unknown";
      expect({ ...stored, type: pattern_type }).toEqual(original);
    }
    expect(await imported(world, MOAI.collector)).toMatchObject({ imported: 0, already_there: 120 });
  });
});

test("the files and the database of one store are the same patterns", async () => {
  const world = createWorld();
  await imported(world, MOAI.filesystem);
  expect(await imported(world, MOAI.sqlite)).toMatchObject({ imported: 0, already_there: 240 });
  expect(await imported(world, MOAI.expected)).toMatchObject({ imported: 0, already_there: 240 });
  expect((await queried(world)).map(canonical)).toEqual(expected());
});

test("the command that a refused store tells works", async () => {
  const world = createWorld();
  cpSync(MOAI.filesystem, join(world.folder, "state/patternd/patterns"), { recursive: true });
  const { stderr } = await world.run(["query"]);
  const [, source = ""] = /with: patternd import (.*)\n/.exec(stderr) ?? [];
  const into = join(world.folder, "new");
  expect(await imported(world, source, "--to", `filesystem:${into}`)).toMatchObject({ imported: 240 });
});

test("two records of one id are both kept, and listed each time", async () => {
  const world = createWorld();
  const one = errorLine("x", "2026-05-01T10:00:00Z");
  const other = errorLine("x", "2026-05-02T10:00:00Z");
  const source = sourceFile(world, "in.ndjson", `${one}\n${one.replaceAll(":{", ": {")}\n${other}\n`);
  const id = `x~${createHash("sha256").update(other).digest("hex").slice(0, 8)}`;
  const renamed = {
    count: 1,
    first: [{ source: `${source}:3`, pattern_id: "x", kept_as: id }],
  };
  expect(await imported(world, source)).toMatchObject({ imported: 2, already_there: 1, renamed });
  expect(await queried(world)).toEqual([other.replace('"x"', `"${id}"`), one]);
  expect(await imported(world, source)).toMatchObject({ imported: 0, already_there: 3, renamed });
  expect(await queried(world)).toHaveLength(2);
});

test("an id of full length is shortened for the second record", async () => {
  const world = createWorld();
  const long = "é".repeat(256);
  const days = ["2026-05-02", "2026-05-01"].map((day) => errorLine(long, `${day}T10:00:00Z`));
  await imported(world, sourceFile(world, "in.ndjson", `${days.join("\n")}\n`));
  const ids = (await queried(world)).map((line) => JSON.parse(line).pattern_id);
  expect(ids[0]).toBe(long);
  expect(ids[1]).toMatch(/^é{247}~[0-9a-f]{8}$/);
});

test("faults in optional fields are kept as they are, others are refused and kept aside", async () => {
  const world = createWorld();
  const optional = errorLine("optional", "2026-05-01", {
    environment: "prod",
    tags: ["a", 5],
    project_name: 7,
  });
  const required = errorLine("required", "2026-05-01").replace('"x is undefined"', "5");
  const source = sourceFile(
    world,
    "in.jsonl",
    [optional, "not json", required, "\xff", `{"pattern_id":`].join("\n"),
  );
  writeFileSync(source, Buffer.from(readFileSync(source, "utf8"), "latin1"));
  const { kept_in = "", ...summary } = await imported(world, source);
  expect(summary).toMatchObject({ status: 1, records: 5, imported: 1 });
  expect(summary.notes.map(({ note }) => note)).toEqual(
    expect.arrayContaining(
      ["environment", "tags", "project_name"].map((key) => expect.stringContaining(key)),
    ),
  );
  expect(await queried(world, "--tag", "a")).toEqual([optional]);
  const codes = ["invalid_json", "invalid_field", "invalid_utf8", "incomplete_line"];
  expect(summary.refused.first.map(({ code }) => code)).toEqual(codes);
  const kept = linesOf(readFileSync(kept_in, "utf8")).map((line) => JSON.parse(line));
  expect(kept).toMatchObject([
    { source: `${source}:2`, code: "invalid_json", line: "not json" },
    { code: "invalid_field", path: "data.error_message", pattern_id: "required", line: required },
    { line_base64: Buffer.from([0xff]).toString("base64") },
    { source: `${source}:5`, line: '{"pattern_id":' },
  ]);
  expect(kept_in.startsWith(join(world.folder, "state/patternd/rejected/imports-"))).toBe(true);
});

test("what an import refused is seen, sent again and removed like any rejected line", async () => {
  const world = createWorld();
  const config = join(world.folder, "config", "patternd", "config.json");
  const asked = async (...args: string[]) => linesOf((await world.run(["rejected", ...args])).stdout);
  const review = JSON.stringify({
    pattern_id: "review",
    pattern_type: "code_review",
    timestamp: "2026-05-01T10:00:00Z",
    data: {},
  });
  const source = sourceFile(world, "in.ndjson", `no JSON\n${review}\n`);
  const { kept_in = "" } = await imported(world, source);
  const listed = (await asked("list", "--json")).map((text) => JSON.parse(text));
  expect(listed).toMatchObject([{ source: `${source}:2` }, { source: `${source}:1`, line: "no JSON" }]);
  expect(JSON.parse((await asked("show", listed[1].record, "--json")).join(""))).toEqual(listed[1]);
  mkdirSync(dirname(config), { recursive: true });
  writeFileSync(config, JSON.stringify({ types: { code_review: {} } }));
  expect(await asked("replay")).toEqual([
    expect.stringContaining("2 rejected lines: 1 stored; still kept: 1"),
  ]);
  expect(await queried(world)).toEqual([review]);
  expect(await asked("purge", "--yes")).toEqual([expect.stringMatching(/^removed 1 rejected line, /)]);
  expect(existsSync(kept_in)).toBe(false);
});

test("a folder holds what it holds: packed files, cut ones, stores of ours, anything else", async () => {
  const world = createWorld();
  const folder = join(world.folder, "mixed");
  const line = (id: string) => `${errorLine(id, "2026-05-01")}\n`;
  mkdirSync(folder);
  const put = (name: string, content: string | Buffer) => writeFileSync(join(folder, name), content);
  put("a.ndjson.gz", gzipSync(line("a")));
  put("b.json.gz", gzipSync(JSON.stringify(JSON.parse(line("b")), null, 2)));
  put("cut.ndjson.gz", gzipSync(line("c").repeat(1000)).subarray(0, -9));
  put("d.ndjson", `\uFEFF${line("d").replace("\n", "\r\n")}`);
  put("index.json", "{}");
  put("library.db", readFileSync(MOAI.sqlite).subarray(0, 100_000));
  put("notes.txt", "nothing");
  await imported(world, MOAI.expected, "--to", `filesystem:${join(folder, "ours")}`);
  await imported(world, MOAI.expected, "--to", `sqlite:${join(folder, "ours.db")}`);
  const summary = await imported(world, folder);
  expect(summary.status).toBe(1);
  expect(summary.unreadable.first.map(({ file }) => file)).toEqual(
    ["cut.ndjson.gz", "library.db"].map((name) => join(folder, name)),
  );
  const passedOver = summary.passed_over.first.map(({ file }) => file);
  expect(passedOver.sort()).toEqual(
    ["notes.txt", "ours", "ours.db", "ours.db.lock", "ours.db.reserve"].map((name) => join(folder, name)),
  );
  const ids = (await queried(world)).map((one) => memberText(one, "pattern_id"));
  expect(ids).toEqual(expect.arrayContaining(['"a"', '"b"', '"d"']));
});

test("what can't be a source creates no store", async () => {
  const world = createWorld();
  const store = join(world.folder, "state/patternd/patterns");
  const own = join(world.folder, "own");
  await imported(world, MOAI.expected, "--to", `filesystem:${own}`);
  for (const [source, said] of [
    [join(world.folder, "missing"), "can't be read"],
    [own, "is a store of patternd"],
  ] as const) {
    const { status, stderr } = await world.run(["import", source]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(said) });
  }
  const wrong = await world.run(["import", MOAI.expected, "--to", "/somewhere"]);
  expect(wrong).toMatchObject({
    status: 64,
    stderr: expect.stringContaining("filesystem:PATH or sqlite:PATH"),
  });
  expect(existsSync(store)).toBe(false);
});

test("a daemon that holds the store is named", async () => {
  const world = createWorld();
  const daemon = await world.start();
  const { status, stderr } = await world.run(["import", MOAI.expected]);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringContaining(`pid ${daemon.process.pid}`),
  });
  expect(await daemon.stop()).toBe(0);
});

test("what retention would take is said, with what keeps it", async () => {
  const world = createWorld();
  configure(world, { retention: { days: 10, byType: { user_correction: 36_000 }, keepTags: ["keep"] } });
  const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString();
  const lines = [
    errorLine("old", day(11)),
    errorLine("kept", day(11), { tags: ["keep"] }),
    errorLine("new", day(9)),
  ];
  const { retention } = await imported(world, sourceFile(world, "in.ndjson", `${lines.join("\n")}\n`));
  expect(retention).toEqual({ older: 1, keep: { retention: { days: 36_500 } } });
  const { stdout } = await world.run(["import", join(world.folder, "in.ndjson")]);
  expect(stdout).toContain('"retention":{"days":36500}');
});
