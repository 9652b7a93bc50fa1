/** Compressed segments that lost something, or that somebody packed anew: what a check finds, and what a repair keeps. */
import { closeSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { OpenOptions } from "../src/store/backend.ts";
import { openFilesystem } from "../src/store/filesystem/backend.ts";
import { HEAD_MEMBER_BYTES, listBlocks } from "../src/store/filesystem/compressed.ts";
import { DAY, edit, flip, found, kindsOf, NOTES, repaired } from "./check-world.ts";
import { Model, note, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";

const PACKED = `${NOTES}.gz`;
const INDEX = `${DAY}/.note.gz.index`;
/** Of blocks of their own, three to a block. */
const LONG = "x".repeat(90_000);
const many = Array.from({ length: 12 }, (_, n) => note(`m${n}`, { data: { n, text: `${LONG}${n}` } }));

async function packed(patterns = many): Promise<{ place: Place; model: Model }> {
  const place = new Place((options: OpenOptions) => openFilesystem(options));
  const model = new Model();
  const backend = await place.open();
  expect(await backend.write(patterns)).toEqual(model.write(patterns));
  await backend.compress(100_000);
  await backend.close();
  expect(await found(place)).toEqual([]);
  return { place, model };
}

/** Finds that, repairs that, and is whole then; the damaged file is kept as it was. */
async function expectDamage(place: Place): Promise<void> {
  const damaged = readFileSync(join(place.path, PACKED));
  expect(kindsOf(await found(place))).toEqual(["gzip_damaged"]);
  const repairs = await repaired(place);
  expect(kindsOf(repairs.map(({ finding }) => finding))).toEqual(["gzip_damaged"]);
  expect(readFileSync(repairs[0]?.keptAs ?? "")).toEqual(damaged);
  expect(await found(place)).toEqual([]);
}

const lines = async (place: Place) => walk(await place.open({ readOnly: true }));

for (const index of ["with", "without"]) {
  test.each([33, 40, HEAD_MEMBER_BYTES - 1])(
    `a .gz of %i bytes is damaged, ${index} its index`,
    async (size) => {
      const { place } = await packed();
      if (index === "without") rmSync(join(place.path, INDEX));
      edit(place.path, PACKED, (bytes) => bytes.subarray(0, size));
      await expectDamage(place);
      expect(await lines(place)).toEqual([]);
    },
  );
}

test("readers say so of a .gz that is cut within its head", async () => {
  const { place } = await packed();
  rmSync(join(place.path, INDEX));
  edit(place.path, PACKED, (bytes) => bytes.subarray(0, 40));
  const backend = await place.open({ readOnly: true });
  await expect(backend.query({}, { limit: 1 })).rejects.toMatchObject({ code: "store_failed" });
});

test("a checksum of the head costs no line", async () => {
  const { place, model } = await packed();
  edit(
    place.path,
    PACKED,
    flip(() => 36),
  );
  await expectDamage(place);
  expect(await lines(place)).toEqual(model.lines({}));
});

test.each([0, 1, 2])(
  "a .gz that ends behind %i of its blocks has lost what its index names",
  async (blocks) => {
    const { place } = await packed();
    const path = join(place.path, PACKED);
    const fd = openSync(path, "r");
    const all = [...listBlocks(fd, path)];
    closeSync(fd);
    expect(all.length).toBeGreaterThan(blocks);
    const last = all[blocks - 1];
    edit(place.path, PACKED, (bytes) => bytes.subarray(0, last ? last.at + last.length : HEAD_MEMBER_BYTES));
    await expectDamage(place);
    expect(await lines(place)).toHaveLength(3 * blocks);
  },
);

test.each([
  ["as it is", (text: string) => text],
  ["without its last newline", (text: string) => text.slice(0, -1)],
])("a .gz that somebody packed anew, %s, is readable text", async (_, change) => {
  const { place, model } = await packed();
  edit(place.path, PACKED, (bytes) => gzipSync(change(gunzipSync(bytes).toString("utf8"))));
  await expectDamage(place);
  expect(await lines(place)).toEqual(model.lines({}));
});

test("marks of a .gz that somebody packed anew still count", async () => {
  const { place, model } = await packed();
  const backend = await place.open();
  const newer = [note("m3", { data: { n: 33 } })];
  expect(await backend.write(newer)).toEqual(model.write(newer));
  await backend.close();
  edit(place.path, PACKED, (bytes) => gzipSync(gunzipSync(bytes)));
  await expectDamage(place);
  expect(await lines(place)).toEqual(model.lines({}));
});

test("a .gz that somebody packed anew and that is cut short is kept aside, under a name that can be imported", async () => {
  const { place } = await packed();
  edit(place.path, PACKED, (bytes) => gzipSync(gunzipSync(bytes)).subarray(0, -5));
  await expectDamage(place);
  expect(await lines(place)).toEqual([]);
  expect(readdirSync(join(place.path, ".aside"))).toEqual([
    expect.stringMatching(/^2026-05-01-note\.\d{4}-\d\d-\d\dT[\d.]+Z\.ndjson\.gz$/),
  ]);
});
