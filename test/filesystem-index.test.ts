/** The indexes beside the segments: caches, whatever becomes of them. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { periodsOf } from "../src/analysis/period.ts";
import type { Backend, OpenOptions } from "../src/store/backend.ts";
import { openFilesystem } from "../src/store/filesystem/backend.ts";
import { instantOf, Model, note, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";
import { type Call, whileFailing } from "./failing-calls.ts";

const open = (options: OpenOptions) => openFilesystem(options);
const ALL_DAYS = 100_000;
const DAY = "2026/05/01";
/** A block takes three such lines: a few of them fill several. */
const LONG = "x".repeat(25_000);

const indexes = (place: Place) =>
  place
    .entries()
    .map(({ path }) => path)
    .filter((path) => path.endsWith(".index"))
    .map((path) => join(place.folder, path));

/** What may become of an index file while the store is closed, or open. */
const fates: Record<string, (file: string, at: number) => void> = {
  removed: (file) => rmSync(file),
  emptied: (file) => truncateSync(file),
  "cut short": (file, at) => truncateSync(file, at % (readFileSync(file).length + 1)),
  damaged: (file, at) => {
    const bytes = readFileSync(file);
    const byte = at % bytes.length;
    bytes[byte] = (bytes[byte] ?? 0) ^ 0x10;
    writeFileSync(file, bytes);
  },
  "written to": (file) => appendFileSync(file, "what is this? ".repeat(9)),
};

type Step =
  | { readonly does: "write"; readonly writes: readonly { id: number; hour: number; n: number }[] }
  | { readonly does: "compress" | "reopen" | "delete" }
  | { readonly does: "spoil"; readonly fate: string; readonly at: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      does: fc.constant("write" as const),
      writes: fc.array(fc.record({ id: fc.nat(19), hour: fc.nat(5), n: fc.nat(2) }), {
        minLength: 1,
        maxLength: 9,
      }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom("compress", "reopen", "delete") }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant("spoil" as const),
      fate: fc.constantFrom(...Object.keys(fates)),
      at: fc.nat(2000),
    }),
  },
);

const patternOf = ({ id, hour, n }: { id: number; hour: number; n: number }) =>
  note(`id-${id}`, { at: `2026-05-0${1 + (hour % 2)}T0${hour}:00:00Z`, data: { n, text: LONG } });

test("whatever becomes of the indexes, the store answers as the model does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (history) => {
      const place = new Place(open);
      const model = new Model();
      let backend: Backend = await place.open();
      const reader = await place.open({ readOnly: true });
      for (const taken of history) {
        if (taken.does === "write") {
          const patterns = taken.writes.map(patternOf);
          expect(await backend.write(patterns)).toEqual(model.write(patterns));
        }
        if (taken.does === "compress") await backend.compress(ALL_DAYS);
        if (taken.does === "delete") {
          const cutoff = note("any", { at: "2026-05-01T03:00:00Z" }).instant;
          expect(await backend.deleteOlderThan(cutoff)).toBe(model.deleteOlderThan(cutoff));
        }
        if (taken.does === "spoil") for (const file of indexes(place)) fates[taken.fate]?.(file, taken.at);
        if (taken.does === "reopen") {
          await backend.close();
          backend = await place.open();
        }
        const expected = model.lines({});
        expect(await walk(backend, {}, 3)).toEqual(expected);
        expect(await walk(reader, {}, 100)).toEqual(expected);
        for (const store of [backend, reader]) expect(await store.get("id-7")).toBe(model.get("id-7"));
      }
      await place.remove();
    }),
    { numRuns: 60 },
  );
}, 120_000);

test("a store that is reopened knows every id without reading its lines", async () => {
  const place = new Place(open);
  const patterns = Array.from({ length: 40_000 }, (_, n) => note(`n${n}`, { data: { n } }));
  const backend = await place.open();
  await backend.write(patterns);
  await backend.close();
  const again = await place.open();
  expect(new Set(await again.write(patterns))).toEqual(new Set(["superseded"]));
  expect(await again.write([note("n40000")])).toEqual(["stored"]);
});

test("the newest patterns are found without reading what is older", async () => {
  const place = new Place(open);
  const backend = await place.open();
  const at = (n: number) => `2026-05-01T${String(n % 24).padStart(2, "0")}:00:00Z`;
  const hours = Array.from({ length: 24 }, (_, n) => note(`h${n}`, { at: at(n), data: { text: LONG } }));
  for (const pattern of hours) await backend.write([pattern]);
  const file = join(place.path, DAY, "note.ndjson");
  const bytes = readFileSync(file);
  // The first ten lines are no patterns any more, in the same places.
  let end = 0;
  for (let line = 0; line < 10; line += 1) end = bytes.indexOf("\n", end) + 1;
  const first = bytes.indexOf("\n") + 1;
  writeFileSync(
    file,
    Buffer.concat([
      bytes.subarray(0, first),
      Buffer.from(bytes.subarray(first, end).map((byte) => (byte === 10 ? 10 : 63))),
      bytes.subarray(end),
    ]),
  );
  const { lines } = await (await place.open({ readOnly: true })).query({}, { limit: 5 });
  expect(lines.map((line) => JSON.parse(line).pattern_id)).toEqual(["h23", "h22", "h21", "h20", "h19"]);
});

test("a line that the disk has damaged, in a block that is known, is passed over", async () => {
  const place = new Place(open);
  const backend = await place.open();
  const context = { tags: ["a"] };
  for (let n = 0; n < 6; n += 1) await backend.write([note(`n${n}`, { data: { text: LONG }, context })]);
  const file = join(place.path, DAY, "note.ndjson");
  const bytes = readFileSync(file);
  bytes[bytes.indexOf('"n1"') + 5] = 0x23;
  writeFileSync(file, bytes);
  const reader = await place.open({ readOnly: true });
  expect(await walk(reader, { tags: ["a"] })).toHaveLength(5);
});

test("a segment that somebody edited by hand is read anew", async () => {
  const place = new Place(open);
  const backend = await place.open();
  const patterns = Array.from({ length: 12 }, (_, n) => note(`n${n}`, { data: { text: LONG } }));
  for (const pattern of patterns) await backend.write([pattern]);
  await backend.close();
  const file = join(place.path, DAY, "note.ndjson");
  const lines = readFileSync(file, "utf8").split("\n");
  writeFileSync(file, lines.filter((line) => !line.includes('"n1"')).join("\n"));
  expect(existsSync(join(place.path, DAY, ".note.index"))).toBe(true);
  const reader = await place.open({ readOnly: true });
  expect(await walk(reader)).toHaveLength(11);
  const again = await place.open();
  expect(await again.write(patterns.slice(0, 3))).toEqual(["superseded", "stored", "superseded"]);
  expect(await walk(reader)).toHaveLength(12);
});

test("what a save costs does not grow with the versions that the pattern had", async () => {
  const place = new Place(open);
  const start = instantOf("2026-05-01T00:00:00Z") / 1_000_000n;
  const version = (n: number) =>
    note("same", { at: new Date(Number(start) + n).toISOString(), data: { text: "x".repeat(2000) } });
  const backend = await place.open();
  for (let n = 0; n < 600; n += 1) await backend.write([version(n)]);
  let reads = 0;
  const counting = (call: Call) => {
    if (call === "readSync") reads += 1;
    return false;
  };
  await whileFailing(counting, async () => {
    for (let n = 600; n < 610; n += 1) expect(await backend.write([version(n)])).toEqual(["replaced"]);
  });
  expect(reads).toBeLessThan(50);
});

test("an index that is ahead of its segment is cut, and does not fit what comes there later", async () => {
  const place = new Place(open);
  const backend = await place.open();
  const [a, b, c, d] = [note("a"), note("b"), note("c"), note("d")];
  await backend.write([a, b, c, d]);
  await backend.close();
  // As after a power cut, without fsync: of the segment less is left than of its index.
  const file = join(place.path, DAY, "note.ndjson");
  truncateSync(file, readFileSync(file).length / 4);
  await (await place.open()).write([c, b, d]);
  // As after kill -9: what is known to the process and not in a file is lost.
  const killed = new Place(open);
  cpSync(place.path, killed.path, { recursive: true });
  const again = await killed.open();
  expect(await again.write([a, b, c, d])).toEqual(Array(4).fill("superseded"));
});

test("an analysis that meets an index that does not fit begins again without it", async () => {
  const place = new Place(open);
  const backend = await place.open();
  const all = Array.from({ length: 12 }, (_, n) => note(`n${n}`, { data: { LONG } }));
  await backend.write([...all, note("other day", { at: "2026-05-02T10:00:00Z" })]);
  await backend.close();
  // Two lines of the first block become one, as long as they were: nothing but reading tells.
  const file = join(place.path, DAY, "note.ndjson");
  const bytes = readFileSync(file);
  bytes[bytes.indexOf("\n")] = 0x20;
  writeFileSync(file, bytes);
  const reader = await place.open({ readOnly: true });
  const { patterns } = await reader.analyse({}, periodsOf(undefined, undefined, new Date("2026-05-03")));
  expect([patterns.total, (await walk(reader)).length]).toEqual([11, 11]);
});

test("a batch that changes several days in turn reads the marks of each once", async () => {
  const place = new Place(open);
  const days = [1, 2, 3];
  const version = (day: number, id: number, hour: number) =>
    note(`${day}-${id}`, { at: `2026-05-0${day}T0${hour}:00:00Z` });
  const backend = await place.open();
  await backend.write(days.flatMap((day) => Array.from({ length: 12 }, (_, id) => version(day, id, 1))));
  // As many as are not kept, of two days.
  const marks = Array.from({ length: 51_000 }, (_, n) => `{"type":"note","offset":${1_000_000 + n}}\n`);
  for (const day of days) writeFileSync(join(place.path, `2026/05/0${day}/.replaced`), marks.join(""));
  let reads = 0;
  const counting = (call: Call, _n: number, target: unknown) => {
    if (call === "readFileSync" && String(target).endsWith(".replaced")) reads += 1;
    return false;
  };
  const turns = Array.from({ length: 12 }, (_, n) => version(1 + (n % 3), n, 3));
  expect(new Set(await whileFailing(counting, () => backend.write(turns)))).toEqual(new Set(["replaced"]));
  expect(reads).toBeLessThanOrEqual(days.length);
}, 60_000);
