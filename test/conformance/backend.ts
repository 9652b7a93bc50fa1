/** What every backend promises (src/store/backend.ts), whatever it keeps its patterns in. */
import { describe, expect, test } from "vitest";
import { analysis } from "./analysis.ts";
import { asking } from "./asking.ts";
import { histories } from "./histories.ts";
import { opening } from "./opening.ts";
import { pages } from "./pages.ts";
import { EARLIER, idsOf, LATER, lineOf, note, parse, walk } from "./patterns.ts";
import { type Open, Place } from "./place.ts";
import { queries } from "./queries.ts";
import { retention } from "./retention.ts";
import { upkeep } from "./upkeep.ts";

export function conformance(kind: string, open: Open): void {
  describe(`${kind}: outcomes`, () => outcomes(open));
  describe(`${kind}: lines`, () => lines(open));
  describe(`${kind}: queries`, () => queries(open));
  describe(`${kind}: pages`, () => pages(open));
  describe(`${kind}: analysis`, () => analysis(open));
  describe(`${kind}: asking`, () => asking(open));
  describe(`${kind}: upkeep`, () => upkeep(open));
  describe(`${kind}: retention`, () => retention(open));
  describe(`${kind}: histories`, () => histories(open));
  describe(`${kind}: opening and closing`, () => opening(open));
}

function outcomes(open: Open): void {
  const saved = async (...steps: { at?: string; data?: object; type?: string }[]) => {
    const backend = await new Place(open).open();
    const patterns = steps.map((step) => note("id", step));
    const answers: string[] = [];
    for (const pattern of patterns) answers.push(...(await backend.write([pattern])));
    const kept = await backend.get("id");
    expect(await walk(backend)).toEqual([kept]);
    return { answers, kept: patterns.findIndex((pattern) => lineOf(pattern) === kept) };
  };

  test("a new id is stored", async () => {
    expect(await saved({})).toEqual({ answers: ["stored"], kept: 0 });
  });
  test("a later instant replaces", async () => {
    expect(await saved({}, { at: LATER })).toEqual({ answers: ["stored", "replaced"], kept: 1 });
  });
  test("an earlier instant is superseded", async () => {
    expect(await saved({}, { at: EARLIER })).toEqual({ answers: ["stored", "superseded"], kept: 0 });
  });
  test("at equal instants other bytes replace", async () => {
    const steps = [{ data: { n: 1 } }, { data: { n: 2 } }];
    expect(await saved(...steps)).toEqual({ answers: ["stored", "replaced"], kept: 1 });
  });
  test("the instant decides, not how it is written", async () => {
    const steps = [{ at: "2026-05-01T12:00:00+02:00" }, { at: "2026-05-01T09:59:59.999999999Z" }];
    expect(await saved(...steps)).toEqual({ answers: ["stored", "superseded"], kept: 0 });
  });
  test("the same bytes again are superseded", async () => {
    expect(await saved({}, {})).toEqual({ answers: ["stored", "superseded"], kept: 0 });
  });
  test("re-delivery of an older version changes nothing", async () => {
    const steps = [{}, { at: LATER }, {}, { at: LATER }];
    const answers = ["stored", "replaced", "superseded", "superseded"];
    expect(await saved(...steps)).toEqual({ answers, kept: 1 });
  });
  test("an id keeps its identity across types", async () => {
    const data = { task_type: "t", agent: "a", duration_ms: 1, success: true };
    const steps = [{ data, type: "task_completion" }, { data }];
    expect(await saved(...steps)).toEqual({ answers: ["stored", "replaced"], kept: 1 });
  });

  test("an id may come many times in one batch", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const batch = [note("a"), note("b"), note("a", { at: LATER }), note("a"), note("a", { at: LATER })];
    expect(await backend.write(batch)).toEqual(["stored", "stored", "replaced", "superseded", "superseded"]);
    expect(await walk(backend)).toEqual([note("a", { at: LATER }), note("b")].map(lineOf));
  });
  test("an empty batch is none", async () => {
    const backend = await new Place(open).open();
    expect(await backend.write([])).toEqual([]);
    expect(await backend.query({}, { limit: 1 })).toEqual({ lines: [], next: undefined });
  });
}

/** A line as no serializer writes it, around what a test asks of it. */
const odd = (rest: string, id = "odd") =>
  `{"pattern_type":"note",  "timestamp":"2026-05-01" ,"pattern_id":"${id}","data":{${rest}}}`;

function lines(open: Open): void {
  test.each([
    ["escapes", odd('"a":"\\u0041\\/\\n\\"\\\\","k\\u0065y":1')],
    ["NUL and lone surrogates as escapes", odd('"a":"\\u0000b\\ud800","b":"\\udc00\\ud800"')],
    ["integers beyond 2^53", odd('"n":123456789012345678901234567890,"m":9007199254740993,"o":-0')],
    ["odd numbers", odd('"n":1e400,"m":1E-7,"o":1.000,"p":9223372036854775808')],
    ["all planes of Unicode", odd('"한국어 🦊 \u0301\u202e\u2028\u2029\ufeff\uffff":"\u{10ffff}\u007f"')],
    ["odd spacing", `\t{ "x" : [ ] ,\r${odd("").slice(1, -1)}\t,"y":{ }  } `],
    ["duplicate keys", `{"pattern_id":"no","data":3,${odd('"a":1,"a":2').slice(1)}`],
    [
      "escaped names of the fields",
      odd("").replace('"data"', '"d\\u0061ta"').replace('"pattern_id"', '"pattern\\u005fid"'),
    ],
    ["nesting to the limit", odd(`"a":${"[".repeat(97)}${"]".repeat(97)}`)],
    ["a version that is null", odd("").replace("{", '{"version":null,"context":null,')],
    ["a long line", odd(`"a":"${"é".repeat(400_000)}"`)],
  ])("%s come back byte for byte", async (_, line) => {
    const place = new Place(open);
    const backend = await place.open();
    expect(await backend.write([parse(line), note("neighbour", { at: EARLIER })])).toEqual([
      "stored",
      "stored",
    ]);
    expect(await backend.get("odd")).toBe(line);
    await backend.close();
    const again = await place.open();
    expect(await again.get("odd")).toBe(line);
    expect(await walk(again)).toEqual([line, lineOf(note("neighbour", { at: EARLIER }))]);
  });

  const ids = ["a/b", "..", "../../etc", ".", "a\nb", "\r", " ", "'", '"', "x".repeat(256), "🦊".repeat(256)];
  ids.push("__proto__", "constructor", "%00", "e\u0301", "\u00e9", "\ufffd", "null", "-1", "\u0001");
  test("any id is only a text", async () => {
    const place = new Place(open);
    const backend = await place.open();
    const patterns = ids.map((id) => note(id));
    expect(await backend.write(patterns)).toEqual(ids.map(() => "stored"));
    const expected = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(await idsOf(backend, {}, 3)).toEqual(expected);
    await backend.close();
    const again = await place.open();
    for (const pattern of patterns) expect(await again.get(pattern.id)).toBe(lineOf(pattern));
    expect(await again.write(patterns)).toEqual(ids.map(() => "superseded"));
    for (const id of ["", "none", "\ud800", "a\0b"]) expect(await again.get(id)).toBeUndefined();
  });
}
