/** Deletions on a disk so slow that each step is late after one row: no row is passed over, and none goes too much. */
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { openSqlite } from "../src/store/sqlite/backend.ts";
import { AT, EARLIER, idsOf, instantOf, LATER, note } from "./conformance/patterns.ts";
import { Place } from "./conformance/place.ts";

const LONG_MS = 1_000;
const OLD = Array.from({ length: 30 }, (_, n) =>
  note(`old ${n}`, { at: EARLIER, context: { tags: n % 3 === 0 ? ["keep"] : [] } }),
);

let steps = 0;

beforeEach(() => {
  let now = 0;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => {
    now += LONG_MS;
    return now;
  });
  onTestFinished(() => clock.mockRestore());
  steps = 0;
});

async function filled() {
  const backend = await new Place((options) => openSqlite(options)).open();
  await backend.write([...OLD, note("new", { at: LATER })]);
  return backend;
}

const onDeleted = () => {
  steps += 1;
};

test("of everything that is old", async () => {
  const backend = await filled();
  expect(await backend.deleteOlderThan(instantOf(AT), {}, onDeleted)).toBe(30);
  expect(steps).toBe(30);
  expect(await idsOf(backend)).toEqual(["new"]);
});

test("of a type, but for what is to be kept", async () => {
  const backend = await filled();
  const exceptions = { byType: { task_completion: 0n }, keepTags: ["keep"] };
  expect(await backend.deleteOlderThan(instantOf(AT), exceptions, onDeleted)).toBe(20);
  expect(steps).toBe(20);
  const kept = OLD.filter((_, n) => n % 3 === 0).map(({ id }) => id);
  expect(new Set(await idsOf(backend))).toEqual(new Set(["new", ...kept]));
});

test("of what is to be forgotten, whether it is there or not", async () => {
  const backend = await filled();
  const ids = OLD.flatMap(({ id }) => [id, `not ${id}`]);
  expect(await backend.forget(ids)).toBe(30);
  expect(await idsOf(backend)).toEqual(["new"]);
});
