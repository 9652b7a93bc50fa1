import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RejectedFilter } from "../src/pattern/rejection.ts";
import { keptNewestFirst } from "../src/queue/rejected/day-files.ts";
import type { Judge } from "../src/queue/rejected/judges.ts";
import { keptRecord } from "../src/queue/rejected/kept-record.ts";
import { RejectedReview } from "../src/queue/rejected/replay.ts";
import { allIn, LINE_BYTES, line, newFolder, openAt, storing, textsOf } from "./rejected-fixture.ts";

const at = (time: string) => BigInt(Date.parse(time)) * 1_000_000n;

test("what is stored now leaves the files, the rest stays once, in place and unaltered", async () => {
  const folder = newFolder();
  const first = openAt(folder, "2026-11-21T10:00:00Z");
  await first.keep([line("a"), line("bad 1"), line("b")]);
  const second = openAt(folder, "2026-11-22T10:00:00Z");
  await second.keep([line("c")]);
  await second.keep([line("bad 2"), line(Buffer.from([0xff, 0x41])), line("d")]);
  const before = (await allIn(folder)).filter(({ bytes }) => !/^[a-d]$/.test(bytes.toString()));
  const stored: string[] = [];
  const review = new RejectedReview(second, LINE_BYTES);
  const accepts = (text: string) => /^[a-d]$/.test(text);
  const report = await review.replay({}, storing(stored, accepts), false);
  expect(stored).toEqual(["a", "b", "c", "d"]);
  expect(report).toEqual({
    dry_run: false,
    lines: 7,
    stored: 4,
    rejected: 3,
    not_collected: 0,
    partial: 0,
    damaged: 0,
    rejected_by_code: { missing_field: 3 },
  });
  expect(await allIn(folder)).toEqual(before);
  expect(statSync(join(folder, "2026-11-22.ndjson")).mode & 0o777).toBe(0o600);
  const again = await review.replay({}, storing(stored, accepts), false);
  expect(again).toMatchObject({ lines: 3, stored: 0, rejected: 3 });
  expect(await allIn(folder)).toEqual(before);
});

test("what imports refused stands between the other lines of its day, in the order of time", async () => {
  const folder = newFolder();
  const keepAt = (time: string, text: string) => openAt(folder, `2026-11-${time}Z`).keep([line(text)]);
  const importAt = (time: string, ...texts: string[]) => {
    const records = texts.map((text) => JSON.stringify(keptRecord(line(text), `2026-11-${time}Z`)));
    const name = `imports-2026-11-${time.replaceAll(":", "-")}Z.ndjson`;
    appendFileSync(join(folder, name), records.map((record) => `${record}\n`).join(""));
  };
  importAt("21T23:00:00.000", "a");
  await keepAt("22T08:00:00.000", "b");
  importAt("22T09:00:00.000", "c", "d");
  importAt("22T10:00:00.000", "e");
  await keepAt("22T11:00:00.000", "f");
  importAt("22T12:00:00.000", "g");
  importAt("23T01:00:00.000", "h");
  expect(textsOf(await allIn(folder)).join("")).toBe("hgfedcba");
  const until = { until: at("2026-11-22T09:30:00Z") };
  expect(textsOf(await allIn(folder, until)).join("")).toBe("dcba");
});

test("a file of which nothing is left goes", async () => {
  const folder = newFolder();
  const lines = openAt(folder, "2026-11-22T10:00:00Z");
  await lines.keep([line("a"), line("b")]);
  const report = await new RejectedReview(lines, LINE_BYTES).replay(
    {},
    storing([], () => true),
    false,
  );
  expect(report).toMatchObject({ lines: 2, stored: 2 });
  expect(readdirSync(folder)).toEqual([]);
  expect(lines.held).toEqual({ files: 0, bytes: 0 });
});

test("a dry run, a type that is not collected and a failing store leave everything", async () => {
  const folder = newFolder();
  const lines = openAt(folder, "2026-11-22T10:00:00Z");
  await lines.keep([line("a"), line("b")]);
  const before = await allIn(folder);
  const review = new RejectedReview(lines, LINE_BYTES);
  expect(
    await review.replay(
      {},
      storing([], () => true),
      true,
    ),
  ).toMatchObject({ dry_run: true, stored: 2 });
  const off: Judge = async (entries) => entries.map(() => "not_collected");
  expect(await review.replay({}, off, false)).toMatchObject({ stored: 0, not_collected: 2 });
  const failing = () => Promise.reject(new Error("disk full"));
  await expect(review.replay({}, failing, false)).rejects.toMatchObject({
    code: "rejected_unusable",
    message: expect.stringMatching(/disk full$/),
  });
  expect(await allIn(folder)).toEqual(before);
  expect(
    await review.replay(
      {},
      storing([], () => true),
      false,
    ),
  ).toMatchObject({ stored: 2 });
});

test("what is kept only in part is said and never sent; a whole line that is too long is refused again", async () => {
  const folder = newFolder();
  const lines = openAt(folder, "2026-11-22T10:00:00Z");
  const whole = { length: 3_000, sha256: "0".repeat(64) };
  await lines.keep([
    line(Buffer.alloc(70_000, "x")),
    { ...line("only the head"), whole },
    line("0123456789"),
  ]);
  const seen: string[] = [];
  const report = await new RejectedReview(lines, 5).replay(
    {},
    storing(seen, () => true),
    false,
  );
  expect(seen).toEqual([]);
  expect(report).toMatchObject({ lines: 3, partial: 2, rejected: 1, rejected_by_code: { line_too_long: 1 } });
  expect((await allIn(folder)).map(({ isWhole, length }) => [isWhole, length])).toEqual([
    [true, 10],
    [false, 3_000],
    [false, 70_000],
  ]);
});

test("lines that come while a replay runs stay", async () => {
  const folder = newFolder();
  const lines = openAt(folder, "2026-11-22T10:00:00Z");
  await lines.keep([line("a")]);
  const judge: Judge = async () => {
    await lines.keep([line("new")]);
    return ["accepted"];
  };
  expect(await new RejectedReview(lines, LINE_BYTES).replay({}, judge, false)).toMatchObject({ lines: 1 });
  expect(textsOf(await allIn(folder))).toEqual(["new"]);
});

test("a file that went and came again while a replay runs is left alone", async () => {
  const folder = newFolder();
  const lines = openAt(folder, "2026-11-22T10:00:00Z");
  await lines.keep([line("a")]);
  const judge: Judge = async () => {
    unlinkSync(join(folder, "2026-11-22.ndjson"));
    await lines.keep([line("b")]);
    return ["accepted"];
  };
  await new RejectedReview(lines, LINE_BYTES).replay({}, judge, false);
  expect(textsOf(await allIn(folder))).toEqual(["b"]);
});

test("damaged records are counted and stay, whatever they hold", async () => {
  const folder = newFolder();
  const lines = openAt(folder, "2026-11-22T10:00:00Z");
  const file = join(folder, "2026-11-22.ndjson");
  const damage = `no JSON\n{"time":"yesterday"}\n${"x".repeat(3_000_000)}\n\n{"time":"2026-11-2`;
  await lines.keep([line("a")]);
  appendFileSync(file, damage);
  await lines.keep([line("b")]);
  let damaged = 0;
  const kept: string[] = [];
  for await (const one of keptNewestFirst(folder, {}, () => (damaged += 1))) kept.push(one.bytes.toString());
  expect([kept, damaged]).toEqual([["b", "a"], 4]);
  const review = new RejectedReview(lines, LINE_BYTES);
  expect(
    await review.replay(
      {},
      storing([], () => true),
      false,
    ),
  ).toMatchObject({ stored: 2, damaged: 4 });
  expect(readFileSync(file, "utf8")).toBe(`${damage}\n`);
  expect(await review.purge({ code: "invalid_json" }, false)).toMatchObject({ lines: 0, damaged: 0 });
  const purged = await review.purge({}, false);
  expect(purged).toMatchObject({ lines: 0, damaged: 4 });
  expect(existsSync(file)).toBe(true);
});

test("filters mean codes and times, both ends included", async () => {
  const folder = newFolder();
  await openAt(folder, "2026-11-20T23:59:59.999Z").keep([line("a")]);
  await openAt(folder, "2026-11-21T00:00:00.000Z").keep([line("b", "missing_field")]);
  await openAt(folder, "2026-11-21T12:00:00.000Z").keep([line("c")]);
  const lines = openAt(folder, "2026-11-22T00:00:00.000Z");
  await lines.keep([line("d")]);
  const meant = async (filter: RejectedFilter) => textsOf(await allIn(folder, filter));
  expect(await meant({})).toEqual(["d", "c", "b", "a"]);
  expect(await meant({ code: "missing_field" })).toEqual(["b"]);
  expect(await meant({ since: at("2026-11-21T00:00:00.000Z") })).toEqual(["d", "c", "b"]);
  expect(await meant({ until: at("2026-11-21T00:00:00.000Z") })).toEqual(["b", "a"]);
  expect(await meant({ until: at("2026-11-21T00:00:00.000Z") - 1n })).toEqual(["a"]);
  const noon = at("2026-11-21T12:00:00.000Z");
  expect(await meant({ since: noon, until: noon })).toEqual(["c"]);
  const review = new RejectedReview(lines, LINE_BYTES);
  const dry = await review.purge({ until: noon }, true);
  expect(dry).toMatchObject({ dry_run: true, lines: 3 });
  expect(await review.purge({ until: noon }, false)).toEqual({ ...dry, dry_run: false });
  expect(await meant({})).toEqual(["d"]);
});

test("two replays at once are one after the other: the second finds what the first left", async () => {
  const folder = newFolder();
  const lines = openAt(folder, "2026-11-22T10:00:00Z");
  await lines.keep([line("a"), line("bad")]);
  const review = new RejectedReview(lines, LINE_BYTES);
  const stored: string[] = [];
  const judge = storing(stored, (text) => text === "a");
  const [first, second] = await Promise.all([
    review.replay({}, judge, false),
    review.replay({}, judge, false),
  ]);
  expect([first.lines, second.lines, stored]).toEqual([2, 1, ["a"]]);
});

test("a stopped review sends nothing more, and what is under way stays kept", async () => {
  const folder = newFolder();
  const lines = openAt(folder, "2026-11-22T10:00:00Z");
  await lines.keep(Array.from({ length: 5_000 }, (_, index) => line(`${index}`)));
  const review = new RejectedReview(lines, LINE_BYTES);
  const stored: string[] = [];
  const storeAll = storing(stored, () => true);
  const judge: Judge = (entries) => {
    review.stop();
    return storeAll(entries);
  };
  await expect(review.replay({}, judge, false)).rejects.toMatchObject({ code: "daemon_stopping" });
  expect(stored.length).toBeLessThan(5_000);
  expect(await allIn(folder)).toHaveLength(5_000);
});

test("a folder that can't be read is said", async () => {
  const folder = newFolder();
  const lines = openAt(join(folder, "a file"), "2026-11-22T10:00:00Z");
  appendFileSync(join(folder, "a file"), "");
  const said = { code: "rejected_unusable", message: expect.stringContaining("ENOTDIR") };
  await expect(new RejectedReview(lines, LINE_BYTES).purge({}, false)).rejects.toMatchObject(said);
});
