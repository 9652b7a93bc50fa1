/** A database that SQLite can't read any more: what a check says, and what a repair saves of it. */
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { closed, findings, repairs, run } from "./check-sqlite-world.ts";
import { kindsOf } from "./check-world.ts";
import { lineOf, note, walk } from "./conformance/patterns.ts";

test("of a damaged database what is readable is salvaged, and it stays as it is", async () => {
  const many = Array.from({ length: 3000 }, (_, n) => note(`n${n}`, { data: { n, text: "x".repeat(100) } }));
  const { place, file } = await closed(many);
  const bytes = readFileSync(file);
  // A page of lines.
  const page = 8192 * Math.floor(bytes.indexOf('"n1500"') / 8192);
  bytes.fill(0xee, page, page + 8192);
  writeFileSync(file, bytes);
  expect(kindsOf(await findings(file))).toContain("database_damaged");
  const [done] = await repairs(file);
  expect(done?.finding.kind).toBe("database_damaged");
  expect(readFileSync(file).equals(bytes)).toBe(true);
  expect(kindsOf(await findings(file))).toContain("database_damaged");
  expect(await findings(done?.keptAs ?? "")).toEqual([]);
  const salvaged = await place.open({ path: done?.keptAs ?? "", readOnly: true });
  const lines = await walk(salvaged, {}, 1000);
  expect(lines.length).toBeGreaterThan(2900);
  expect(lines.length).toBeLessThan(3000);
  const known = new Set(many.map(lineOf));
  expect(lines.filter((line) => !known.has(line))).toEqual([]);
});

test.each(["as it is", "with a WAL beside it"])(
  "of a database that is cut off what is left is salvaged, %s",
  async (way) => {
    const many = Array.from({ length: 3000 }, (_, n) =>
      note(`n${n}`, { data: { n, text: "x".repeat(100) } }),
    );
    const { place, file } = await closed(many);
    truncateSync(file, Math.floor(statSync(file).size * 0.8));
    if (way !== "as it is") writeFileSync(`${file}-wal`, "", { mode: 0o600 });
    const bytes = readFileSync(file);
    expect(kindsOf(await findings(file))).toEqual(["database_damaged"]);
    // The second time SQLite's own files are beside it.
    expect(kindsOf(await findings(file))).toEqual(["database_damaged"]);
    const [done] = await repairs(file);
    expect(done?.finding.kind).toBe("database_damaged");
    expect(readFileSync(file).equals(bytes)).toBe(true);
    expect(await findings(done?.keptAs ?? "")).toEqual([]);
    const lines = await walk(await place.open({ path: done?.keptAs ?? "", readOnly: true }), {}, 1000);
    expect(lines.length).toBeGreaterThan(1000);
    const known = new Set(many.map(lineOf));
    expect(lines.filter((line) => !known.has(line))).toEqual([]);
  },
);

test.each(["pattern_tags", "pattern_agents"])(
  "without its table %s a database is salvaged whole",
  async (table) => {
    const { place, file } = await closed();
    run(file, `DROP TABLE ${table}; DROP INDEX patterns_by_type; DROP TABLE ids_settled`);
    expect(await findings(file)).toMatchObject([
      { kind: "database_damaged", found: `no such table: ${table}` },
    ]);
    const [done] = await repairs(file);
    expect(await findings(done?.keptAs ?? "")).toEqual([]);
    const salvaged = await place.open({ path: done?.keptAs ?? "", readOnly: true });
    expect(await walk(salvaged)).toHaveLength(3);
    expect(await walk(salvaged, { tags: ["x"], agent: "m" })).toHaveLength(1);
  },
);

test.each(["patterns", "store"])("without its table %s nothing is salvaged, which is said", async (table) => {
  const { place, file } = await closed();
  run(file, `DROP TABLE ${table}`);
  const kinds = kindsOf(await findings(file));
  expect(kinds).toEqual([table === "store" ? "metadata_damaged" : "database_damaged"]);
  expect(await repairs(file)).toEqual([]);
  expect(readdirSync(place.folder).filter((name) => name.includes("salvaged"))).toEqual([]);
});

test("where nothing can be salvaged for want of the zone, that is said", async () => {
  const { place, file } = await closed();
  const bytes = readFileSync(file);
  const page = 8192 * Math.floor(bytes.indexOf("timezoneUTC") / 8192);
  bytes.fill(0, page, page + 8192);
  writeFileSync(file, bytes);
  expect(kindsOf(await findings(file))).toEqual(["database_damaged", "metadata_damaged"]);
  expect(await repairs(file)).toEqual([]);
  expect(readdirSync(place.folder).filter((name) => name.includes("salvaged"))).toEqual([]);
});

test("a database whose schema is unreadable is damaged", async () => {
  const { file } = await closed();
  const bytes = readFileSync(file);
  // The page of the schema, behind the file's own header.
  bytes.fill(0xff, 100, 1000);
  writeFileSync(file, bytes);
  expect(kindsOf(await findings(file))).toEqual(["database_damaged", "metadata_damaged"]);
});

test("wherever a database is cut off, a repair saves something or says why it can't", async () => {
  const context = { tags: ["x", "y"], project_name: "p", agent: "m" };
  const many = Array.from({ length: 300 }, (_, n) =>
    note(`n${n}`, { context, data: { n, text: "x".repeat(200) } }),
  );
  const { file } = await closed(many);
  const bytes = readFileSync(file);
  for (let size = bytes.length - 4_000; size > 0; size -= 8192) {
    writeFileSync(file, bytes.subarray(0, size));
    const kinds = kindsOf(await findings(file));
    expect(kinds).toContain("database_damaged");
    const [done] = await repairs(file);
    if (kinds.includes("metadata_damaged")) expect(done).toBeUndefined();
    else expect(await findings(done?.keptAs ?? "")).toEqual([]);
  }
});
