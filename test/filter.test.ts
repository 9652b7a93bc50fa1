import * as fc from "fast-check";
import { expect, test } from "vitest";
import { contentMatcher, type Filter } from "../src/store/filter.ts";

const letter = fc.constantFrom(
  "a",
  "B",
  "k",
  "\u212a",
  "\u0130",
  "\u03a3",
  "\u03c3",
  "\u03c2",
  " ",
  "'",
  '"',
  "\\",
  "/",
  "\n",
  "n",
  "u",
  "1",
  "\u{1f98a}",
);
const text = fc.array(letter, { maxLength: 6 }).map((letters) => letters.join(""));

/** JSON as somebody else may write it: any character may stand as an escape. */
const written = fc.tuple(text, fc.infiniteStream(fc.boolean())).map(([value, escaped]) => {
  const units = Array.from({ length: value.length }, (_, n) => value.charCodeAt(n));
  const spelled = units.map((unit) =>
    escaped.next().value
      ? `\\u${unit.toString(16).padStart(4, "0")}`
      : JSON.stringify(String.fromCharCode(unit)).slice(1, -1),
  );
  return `"${spelled.join("")}"`;
});

test("text is found wherever it stands, however its line is written", () => {
  fc.assert(
    fc.property(written, text, (string, wanted) => {
      const line = `{"pattern_id":"x","data":{"said":${string}}}`;
      const values = ["x", String(JSON.parse(string))];
      const isThere = values.some((value) => value.toLowerCase().includes(wanted.toLowerCase()));
      expect(contentMatcher({ text: wanted })?.(line)).toBe(isThere);
    }),
    { numRuns: 3000 },
  );
});

test("what must be somewhere is found however it is written", () => {
  fc.assert(
    fc.property(written, text, (string, wanted) => {
      const is = JSON.parse(string) === wanted;
      const line = `{"data":{"agent":${string},"why":${string}},"context":{"tags":[${string}],"host":${string}}}`;
      for (const filter of [
        { tags: [wanted] },
        { agent: wanted },
        { host: wanted },
        { where: [{ path: "data.why", value: wanted }] },
      ] satisfies Filter[])
        expect(contentMatcher(filter)?.(line)).toBe(is);
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ['{"data":{"n":5.0}}', "data.n", "5", true],
  ['{"data":{"n":5e0}}', "data.n", "5", true],
  ['{"data":{"n":5}}', "data.n", "0x5", true],
  ['{"data":{"n":"5"}}', "data.n", "5", true],
  ['{"data":{"n":true}}', "data.n", "true", true],
  ['{"data":{"n":null}}', "data.n", "null", true],
  ['{"data":{"n":{}}}', "data.n", "{}", false],
  ['{"data":{"n":[1,"b"]}}', "data.n.1", "b", true],
  ['{"data":{"n":6}}', "data.n", "5", false],
  ['{"data":{"n":0}}', "data.n", "", false],
])("%s: %s = %s", (line, path, value, isThere) => {
  expect(contentMatcher({ where: [{ path, value }] })?.(line)).toBe(isThere);
});

test("success may be written with escapes too", () => {
  const line = '{"data":{"su\\u0063cess":true}}';
  expect(contentMatcher({ success: true })?.(line)).toBe(true);
  expect(contentMatcher({ success: false })?.(line)).toBe(false);
});
