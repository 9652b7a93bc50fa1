import { expect, test } from "vitest";
import { PAGE_BYTES, type Position } from "../../src/store/backend.ts";
import { AT, EARLIER, idsOf, instantOf, LATER, note, parse } from "./patterns.ts";
import { type Open, Place } from "./place.ts";

export function pages(open: Open): void {
  test("the newest come first, across days, types and offsets", async () => {
    const backend = await new Place(open).open();
    await backend.write([
      note("3", { at: "2026-05-01T23:30:00-02:00" }),
      note("5", { at: "2026-05-01" }),
      note("1", { at: "2261-12-31T23:59:59.999999999-23:59" }),
      note("2", { at: "2026-05-02T01:30:00.000000001Z" }),
      note("6", { at: "1970-01-01T00:00:00+23:59" }),
      note("4", { at: "2026-05-01T00:00:00.000000001Z", type: "user_correction", data: CORRECTION }),
    ]);
    expect(await idsOf(backend, {}, 2)).toEqual(["1", "2", "3", "4", "5", "6"]);
  });

  test("ties come in the order of their ids' code points", async () => {
    const backend = await new Place(open).open();
    const ids = ["A", "Z", "a", "aa", "b", "é", "\uff5e", "\u{1f98a}", "\u{10ffff}"];
    await backend.write([...ids].reverse().map((id) => note(id)));
    for (const limit of [1, 2, 100]) expect(await idsOf(backend, {}, limit)).toEqual(ids);
  });

  test("next is there only when there is more", async () => {
    const backend = await new Place(open).open();
    await backend.write([note("a"), note("b"), note("c", { data: { success: true } })]);
    expect((await backend.query({}, { limit: 3 })).next).toBeUndefined();
    expect((await backend.query({}, { limit: 2 })).next).toEqual({ instant: instantOf(AT), id: "b" });
    expect((await backend.query({ success: true }, { limit: 1 })).next).toBeUndefined();
  });

  test("a walk neither skips nor repeats while newer ones arrive", async () => {
    const backend = await new Place(open).open();
    const ids = Array.from({ length: 40 }, (_, n) => `n${String(n).padStart(2, "0")}`);
    // Pairs of equal instants, so that pages end within a tie.
    const at = (n: number) => `2026-05-01T10:${String(59 - (n >> 1)).padStart(2, "0")}:00Z`;
    await backend.write(ids.map((id, n) => note(id, { at: at(n) })));
    const seen: string[] = [];
    let after: Position | undefined;
    do {
      const page = await backend.query({}, { limit: 3, after });
      seen.push(...page.lines.map((line) => parse(line).id));
      expect(seen).toEqual(ids.slice(0, seen.length));
      after = page.next;
      await backend.write([note(`new ${seen.length}`, { at: LATER })]);
    } while (after);
    expect(seen).toHaveLength(ids.length);
  });

  test("a position may name a pattern that is not there", async () => {
    const backend = await new Place(open).open();
    await backend.write([note("a"), note("c"), note("old", { at: EARLIER })]);
    const instant = instantOf(AT);
    const find = async (after: Position) =>
      (await backend.query({}, { limit: 9, after })).lines.map((line) => parse(line).id);
    expect(await find({ instant, id: "b" })).toEqual(["c", "old"]);
    expect(await find({ instant: instant - 1n, id: "" })).toEqual(["old"]);
    expect(await find({ instant: 10n ** 19n, id: "b" })).toEqual(["a", "c", "old"]);
    expect(await find({ instant: -(10n ** 19n), id: "b" })).toEqual([]);
  });

  test.each([
    ["one byte", "x"],
    ["three bytes", "한"],
  ])("a page ends before its lines exceed its bytes: characters of %s", async (_, character) => {
    const backend = await new Place(open).open();
    const text = character.repeat(PAGE_BYTES / 4 / Buffer.byteLength(character));
    const ids = ["a", "b", "c", "d", "e"];
    for (const id of ids) await backend.write([note(id, { data: { text } })]);
    const page = await backend.query({}, { limit: 100 });
    expect(page.lines).toHaveLength(3);
    expect(page.next?.id).toBe("c");
    expect(await idsOf(backend)).toEqual(ids);
  });

  test("a line longer than a page is a page of its own", async () => {
    const backend = await new Place(open).open();
    const long = note("b", { data: { text: "x".repeat(PAGE_BYTES) } });
    await backend.write([note("a"), long, note("c")]);
    const first = await backend.query({}, { limit: 100 });
    expect(first.lines).toHaveLength(1);
    const second = await backend.query({}, { limit: 100, after: first.next });
    expect(second.lines.map((line) => parse(line).id)).toEqual(["b"]);
    expect(await idsOf(backend)).toEqual(["a", "b", "c"]);
  });
}

const CORRECTION = { original_output: "", corrected_output: "", correction_type: "", agent: "" };
