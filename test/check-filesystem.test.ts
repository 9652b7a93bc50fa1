/** A store of segments, damaged in one way: what a check finds, and what a repair makes of it. */
import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { OpenOptions } from "../src/store/backend.ts";
import { openFilesystem } from "../src/store/filesystem/backend.ts";
import { encodeBlock, encodeHead, readIndex } from "../src/store/filesystem/block-index.ts";
import { HEAD_MEMBER_BYTES } from "../src/store/filesystem/compressed.ts";
import { hashOfForgotten } from "../src/store/forgotten.ts";
import { asideOf, DAY, edit, flip, found, kindsOf, markAsMerging, NOTES, repaired } from "./check-world.ts";
import { LATER, lineOf, Model, note, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";

const ALL_DAYS = 100_000;
const open = (options: OpenOptions) => openFilesystem(options);

const LONG = "x".repeat(90_000);
const many = Array.from({ length: 12 }, (_, n) => note(`m${n}`, { data: { n, text: `${LONG}${n}` } }));
const plain = [note("a"), note("b", { context: { tags: ["x"] } }), note("c", { at: LATER })];
const newer = note("b", { data: { n: 2 } });
const elsewhere = note("late", { at: LATER });
const HASH = hashOfForgotten("gone");

interface Damage {
  /** Written before the damage, one batch each; compressed where "compress" stands. */
  readonly history?: readonly (readonly ReturnType<typeof note>[] | "compress")[];
  readonly damage: (store: string) => void;
  readonly finds: readonly string[];
  /** Where that is less than what was written. */
  readonly lost?: readonly string[];
  /** What counts afterwards though the model does not have it. */
  readonly answers?: readonly string[];
  /** What is below .aside afterwards, as latin1. */
  readonly aside?: string;
  /** What stands before that. */
  readonly asideLines?: string | RegExp;
}

/** A segment that was edited by hand has no index that fits. */
const withoutIndex = (store: string, type = "note") =>
  rmSync(join(store, DAY, `.${type}.index`), { force: true });
/** The whole of it is kept. */
const DAMAGED_FILE = "the damaged .gz";
const lengthOfBlock = (bytes: Buffer) => bytes.readUInt32LE(HEAD_MEMBER_BYTES + 16);

const cases: Record<string, Damage> = {
  "a torn tail": {
    damage: (store) => appendFileSync(join(store, NOTES), '{"pattern_id":"to'),
    finds: ["torn_tail"],
    aside: '{"pattern_id":"to',
  },
  "a line that is no JSON": {
    damage: (store) => {
      edit(store, NOTES, (bytes) => `{"no":\n${bytes}`);
      withoutIndex(store);
    },
    finds: ["line_damaged"],
    aside: '{"no":\n',
  },
  "a line without timestamp, and one of other bytes than UTF-8": {
    damage: (store) => {
      const line = Buffer.from(
        '{"pattern_id":"\xff","pattern_type":"note","timestamp":"2026-05-01","data":{}}\n',
        "latin1",
      );
      edit(store, NOTES, (bytes) => Buffer.concat([bytes, Buffer.from('{"pattern_id":"a"}\n'), line]));
    },
    finds: ["line_damaged", "line_damaged"],
    aside:
      '{"pattern_id":"a"}\n{"pattern_id":"\xff","pattern_type":"note","timestamp":"2026-05-01","data":{}}\n',
  },
  "a line of another day": {
    damage: (store) => appendFileSync(join(store, NOTES), `${lineOf(elsewhere)}\n`),
    finds: ["line_misplaced"],
    answers: [lineOf(elsewhere)],
    aside: `${lineOf(elsewhere)}\n`,
  },
  "a line of another type, of a day that has none yet": {
    damage: (store) => {
      mkdirSync(join(store, "2026/05/03"), { mode: 0o700 });
      writeFileSync(join(store, "2026/05/03/other.ndjson"), `${lineOf(elsewhere)}\n`, { mode: 0o600 });
    },
    finds: ["line_misplaced"],
    answers: [lineOf(elsewhere)],
    aside: `${lineOf(elsewhere)}\n`,
  },
  "an id that counts twice": {
    damage: (store) =>
      appendFileSync(join(store, NOTES), `${lineOf(note("a", { at: "2026-05-01T09:00:00Z" }))}\n`),
    finds: ["id_twice"],
    aside: `${lineOf(note("a", { at: "2026-05-01T09:00:00Z" }))}\n`,
  },
  "an id of which no version counts": {
    damage: (store) => {
      const by = { day: DAY, type: "note", gz: 0, size: 1 };
      const mark = `${JSON.stringify({ type: "note", offset: 0, by })}\n`;
      appendFileSync(join(store, DAY, ".replaced"), mark, { mode: 0o600 });
    },
    finds: ["id_hidden"],
    aside: '{"type":"note","offset":0,"by":{"day":"2026/05/01","type":"note","gz":0,"size":1}}\n',
  },
  "a file that was never put in its place": {
    damage: (store) => writeFileSync(join(store, `${NOTES}.gz.new`), "half", { mode: 0o600 }),
    finds: ["leftover"],
    aside: "half",
  },
  "a head of a .gz": {
    history: [plain, [newer], "compress"],
    damage: (store) =>
      edit(
        store,
        `${NOTES}.gz`,
        flip(() => 17),
      ),
    finds: ["gzip_damaged"],
    aside: DAMAGED_FILE,
  },
  "a checksum in a .gz": {
    history: [plain, [newer], "compress"],
    damage: (store) =>
      edit(
        store,
        `${NOTES}.gz`,
        flip((bytes) => bytes.length - 6),
      ),
    finds: ["gzip_damaged"],
    lost: ["a", "b"],
    asideLines: `${lineOf(note("a"))}\n${lineOf(newer)}\n`,
    aside: DAMAGED_FILE,
  },
  "a .gz that ends too early": {
    history: [many, "compress"],
    damage: (store) => edit(store, `${NOTES}.gz`, (bytes) => bytes.subarray(0, -3)),
    finds: ["gzip_damaged"],
    aside: DAMAGED_FILE,
  },
  "a header of a block": {
    history: [many, "compress"],
    damage: (store) =>
      edit(
        store,
        `${NOTES}.gz`,
        flip(() => HEAD_MEMBER_BYTES + 1),
      ),
    finds: ["gzip_damaged"],
    lost: ["m0", "m1", "m2"],
    aside: DAMAGED_FILE,
  },
  "the text of a block": {
    history: [many, "compress"],
    damage: (store) =>
      edit(
        store,
        `${NOTES}.gz`,
        flip((bytes) => HEAD_MEMBER_BYTES + Math.floor(lengthOfBlock(bytes) * 0.45)),
      ),
    finds: ["gzip_damaged"],
    lost: ["m0", "m1", "m2"],
    asideLines: /^\{"pattern_id":"m0",[^}]*x0"\}\}\n\{"pattern_id":"m1"/,
    aside: DAMAGED_FILE,
  },
  "the only line of a .gz": {
    history: [[note("only")], "compress"],
    damage: (store) =>
      edit(
        store,
        `${NOTES}.gz`,
        flip(() => HEAD_MEMBER_BYTES + 1),
      ),
    finds: ["gzip_damaged"],
    lost: ["only"],
    aside: DAMAGED_FILE,
  },
  "a merge that was not finished": {
    history: [plain, "compress"],
    damage: (store) => edit(store, `${NOTES}.gz`, markAsMerging),
    finds: ["merge_unfinished"],
  },
  "a mark that is none": {
    history: [plain, [newer]],
    damage: (store) => appendFileSync(join(store, DAY, ".replaced"), "{}\n"),
    finds: ["mark_damaged"],
    aside: "{}\n",
  },
  "a mark to no line": {
    history: [plain, [newer]],
    damage: (store) => appendFileSync(join(store, DAY, ".replaced"), '{"type":"note","offset":3}\n'),
    finds: ["mark_dangling"],
    aside: '{"type":"note","offset":3}\n',
  },
  "a mark to no segment": {
    history: [plain, [newer]],
    damage: (store) => appendFileSync(join(store, DAY, ".replaced"), '{"type":"note","gz":7,"offset":0}\n'),
    finds: ["mark_dangling"],
    aside: '{"type":"note","gz":7,"offset":0}\n',
  },
  "half a mark": {
    history: [plain, [newer]],
    damage: (store) => appendFileSync(join(store, DAY, ".replaced"), '{"type":'),
    finds: ["torn_tail"],
    aside: '{"type":',
  },
  "a mark whose line never came": {
    damage: (store) => {
      const by = { day: DAY, type: "note", gz: 0, size: 9999 };
      const mark = `${JSON.stringify({ type: "note", offset: 0, by })}\n`;
      writeFileSync(join(store, DAY, ".replaced"), mark, { mode: 0o600 });
    },
    finds: ["mark_pending"],
    aside: '{"type":"note","offset":0,"by":{"day":"2026/05/01","type":"note","gz":0,"size":9999}}\n',
  },
  "an index with a flipped bit": {
    damage: (store) =>
      edit(
        store,
        `${DAY}/.note.index`,
        flip((bytes) => bytes.length - 1),
      ),
    finds: ["index_unfit"],
  },
  "an index that says another id, with a right checksum": {
    damage: (store) =>
      reindex(store, (block) => ({ ...block, hashes: block.hashes.map((h, n) => (n === 0 ? h ^ 1 : h)) })),
    finds: ["index_unfit"],
  },
  "an index whose instants are too narrow": {
    damage: (store) =>
      reindex(store, (block) => ({ ...block, newest: block.oldest - 1n, oldest: block.oldest - 1n })),
    finds: ["index_unfit"],
  },
  "an index without a segment": {
    damage: (store) => writeFileSync(join(store, DAY, ".gone.index"), "", { mode: 0o600 }),
    finds: ["index_unfit"],
  },
  "a hash of a forgotten id that is cut short": {
    damage: (store) =>
      writeFileSync(join(store, ".forgotten"), `${HASH}\n${HASH.slice(24)}`, { mode: 0o600 }),
    finds: ["forgotten_damaged"],
    aside: HASH.slice(24),
  },
  "forgotten ids with a flipped bit, and without their last newline": {
    damage: (store) =>
      writeFileSync(join(store, ".forgotten"), `g${HASH.slice(1)}\n${HASH}`, { mode: 0o600 }),
    finds: ["forgotten_damaged", "forgotten_damaged"],
    aside: `g${HASH.slice(1)}\n`,
  },
  "modes that let others read": {
    damage: (store) => {
      chmodSync(join(store, NOTES), 0o644);
      chmodSync(join(store, "2026/05"), 0o755);
      // Nobody else's: as whole as it was.
      chmodSync(join(store, "store.json"), 0o400);
    },
    finds: ["mode_wrong", "mode_wrong"],
  },
};

function reindex(
  store: string,
  change: (block: ReturnType<typeof readIndex>["blocks"][number]) => typeof block,
) {
  const path = join(store, DAY, ".note.index");
  const bytes = readFileSync(path);
  const key = { firstLine: bytes.readUInt32LE(12), generation: bytes.readDoubleLE(16) };
  const { blocks } = readIndex(path, key, Number.MAX_SAFE_INTEGER);
  expect(blocks).toHaveLength(1);
  writeFileSync(path, Buffer.concat([encodeHead(key), ...blocks.map((block) => encodeBlock(change(block)))]));
}

test.each(Object.entries(cases))("%s is found, and repaired", async (_, one) => {
  const place = new Place(open);
  const model = new Model();
  const backend = await place.open();
  for (const step of one.history ?? [plain]) {
    if (step === "compress") await backend.compress(ALL_DAYS);
    else expect(await backend.write(step)).toEqual(model.write(step));
  }
  await backend.close();
  expect(await found(place)).toEqual([]);

  one.damage(place.path);
  const damaged =
    one.aside === DAMAGED_FILE ? readFileSync(join(place.path, `${NOTES}.gz`), "latin1") : one.aside;
  expect(kindsOf(await found(place))).toEqual(one.finds);
  expect(kindsOf((await repaired(place)).map(({ finding }) => finding))).toEqual(one.finds);
  expect(await found(place)).toEqual([]);
  const aside = asideOf(place);
  const lines = aside.slice(0, aside.length - (damaged ?? "").length);
  expect(aside.endsWith(damaged ?? "")).toBe(true);
  if (one.asideLines instanceof RegExp) expect(one.asideLines.test(lines)).toBe(true);
  else expect(lines).toBe(one.asideLines ?? "");

  const again = await place.open();
  const isLost = (line: string) => one.lost?.includes(JSON.parse(line).pattern_id) ?? false;
  const expected = [...model.lines({}).filter((line) => !isLost(line)), ...(one.answers ?? [])];
  expect((await walk(again)).sort()).toEqual(expected.sort());
  expect(await again.write([note("a"), note("new")])).toContain("stored");
  await again.close();
  expect(await found(place)).toEqual([]);
});
