/** Each call of the file system fails, on the way of each kind of work, in a store that stays open. */
import { cpSync, mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import type { Backend, OpenOptions } from "../src/store/backend.ts";
import { openFilesystem } from "../src/store/filesystem/backend.ts";
import { instantOf, Model, note, parse, walk } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";
import { type Call, whileFailing } from "./failing-calls.ts";

const open = (options: OpenOptions) => openFilesystem(options);
const ALL_DAYS = 100_000;
/** Some thirty such lines make a block of an index. */
const TEXT = "x".repeat(2000);

/** On two days, a later version at a later hour. */
function version(id: number, n: number) {
  const at = `2026-05-0${1 + (id % 2)}T${10 + n}:00:00Z`;
  return note(`id-${id}`, { at, data: { n, text: TEXT } });
}

const written = [
  Array.from({ length: 70 }, (_, id) => version(id, 1)),
  [3, 4, 5, 69].map((id) => version(id, 2)),
];
const later = [0, 1, 3, 80, 81].map((id) => version(id, 3));
const CUTOFF = instantOf("2026-05-02T11:30:00Z");

/** `begin`: before the store is opened again. Each may be done again after it failed. */
interface Work {
  begin(backend: Backend): Promise<unknown>;
  run(store: Pick<Backend, "write" | "compress" | "deleteOlderThan">): Promise<unknown>;
  expect(model: Model): void;
}

interface Which {
  readonly nth: number;
  readonly alone: boolean;
}

const works: Record<string, Work> = {
  write: {
    begin: async () => {},
    run: (store) => store.write(later),
    expect: (model) => model.write(later),
  },
  "write beside compressed days": {
    begin: (backend) => backend.compress(ALL_DAYS),
    run: (store) => store.write(later),
    expect: (model) => model.write(later),
  },
  compress: {
    begin: async () => {},
    run: (store) => store.compress(ALL_DAYS),
    expect: () => {},
  },
  "compress what is compressed and what came later": {
    begin: async (backend) => {
      await backend.compress(ALL_DAYS);
      await backend.write([90, 91, 92].map((id) => version(id, 1)));
    },
    run: (store) => store.compress(ALL_DAYS),
    expect: (model) => model.write([90, 91, 92].map((id) => version(id, 1))),
  },
  delete: {
    begin: async () => {},
    run: (store) => store.deleteOlderThan(CUTOFF),
    expect: (model) => model.deleteOlderThan(CUTOFF),
  },
};

/** A store as the work finds it, and what it answers. */
async function begun(work: Work): Promise<{ place: Place; model: Model }> {
  const place = new Place(open);
  const model = new Model();
  const backend = await place.open();
  for (const batch of written) {
    model.write(batch);
    await backend.write(batch);
  }
  await work.begin(backend);
  await backend.close();
  return { place, model };
}

/** Returns what is wrong after the `nth` call, and all after it if not `alone`, has failed; undefined if there is none. */
async function faultAfter(work: Work, from: Place, expected: readonly string[], which: Which) {
  const { nth, alone } = which;
  const place = new Place(open);
  cpSync(from.path, place.path, { recursive: true });
  let backend = await place.open({ durability: "fsync" });
  let failed: string | undefined;
  const fails = (call: Call, n: number, target: unknown) => {
    const isTurn = alone ? n === nth : n >= nth;
    if (isTurn) failed ??= `${call} ${String(target).replace(place.path, "")}`;
    return isTurn;
  };
  let thrown: unknown;
  await whileFailing(fails, () => work.run(backend)).catch((error: unknown) => {
    thrown = error;
  });
  try {
    if (failed === undefined) return undefined;
    if (thrown !== undefined) await work.run(backend);
    const again = expected.map(parse);
    const isTheSame = async () => {
      expect(new Set(await backend.write(again))).toEqual(new Set(["superseded"]));
      expect(await walk(backend)).toEqual(expected);
    };
    await isTheSame();
    await backend.compress(ALL_DAYS);
    await isTheSame();
    await backend.close();
    backend = await place.open();
    await isTheSame();
    return "";
  } catch (error) {
    return `${nth}: ${failed} (${String(thrown)}): ${String(error).slice(0, 200)}`;
  } finally {
    await place.remove();
  }
}

const cases = [
  ...Object.keys(works).map((name) => ({ name, alone: true })),
  ...["write", "write beside compressed days"].map((name) => ({ name, alone: false })),
];

test.each(cases)(
  "$name: no failing call loses or doubles a pattern, alone: $alone",
  async ({ name, alone }) => {
    const work = works[name];
    if (!work) throw new Error(name);
    const { place, model } = await begun(work);
    work.expect(model);
    const faults: string[] = [];
    for (let nth = 1; ; nth += 1) {
      const fault = await faultAfter(work, place, model.lines({}), { nth, alone });
      if (fault === undefined) break;
      if (fault !== "") faults.push(fault);
    }
    expect(faults).toEqual([]);
  },
  120_000,
);

test("what was written without fsync is durable once a store is opened with it, marks before lines", async () => {
  const place = new Place(open);
  const backend = await place.open({ durability: "os" });
  await backend.write([note("a", { at: "2026-05-01T10:00:00Z" })]);
  await backend.write([note("a", { at: "2026-06-01T10:00:00Z" })]);
  await backend.close();
  // Of which the last day went, and whoever removed it was killed.
  mkdirSync(join(place.path, "2025/12"), { recursive: true });
  const synced: string[] = [];
  let opened = "";
  const watch = (call: Call, _n: number, target: unknown) => {
    if (call === "openSync") opened = String(target);
    if (call === "fsyncSync") synced.push(relative(place.path, opened));
    return false;
  };
  await whileFailing(watch, () => place.open({ durability: "fsync" }));
  expect(new Set(synced)).toEqual(
    new Set([
      ...["2026/05/01/.replaced", "2026/05/01/note.ndjson", "2026/06/01/note.ndjson"],
      ...["", "2025", "2025/12", "2026", "2026/05", "2026/06", "2026/05/01", "2026/06/01"],
    ]),
  );
  const lines = synced.findIndex((path) => path.endsWith(".ndjson"));
  expect(synced.slice(0, lines)).toEqual(expect.arrayContaining(["2026/05/01/.replaced", "2026/05/01"]));
});
