import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonical, compact, memberText, renameMember, setMember } from "../src/pattern/json-text.ts";

const object = fc.dictionary(fc.string(), fc.jsonValue());
const indent = fc.constantFrom(undefined, 2, "\t");

describe("JSON as text", () => {
  test("compact drops white space and nothing else", () => {
    fc.assert(
      fc.property(fc.jsonValue(), indent, (value, spaces) => {
        expect(compact(JSON.stringify(value, null, spaces))).toBe(JSON.stringify(value));
      }),
    );
    expect(compact('{\n "a" : 9007199254740993, "b": [1e400, -0.0, "\\u00e9 \\/ x"] }')).toBe(
      '{"a":9007199254740993,"b":[1e400,-0.0,"\\u00e9 \\/ x"]}',
    );
  });

  test("canonical is the same whatever the spaces and escapes, and different for other numbers", () => {
    expect(canonical('{ "a": "\\u00e9\\/" }')).toBe(canonical('{"\\u0061":"é/"}'));
    expect(canonical('{"a":9007199254740993}')).not.toBe(canonical('{"a":9007199254740992}'));
  });

  test("a member's text is its value's", () => {
    fc.assert(
      fc.property(object, indent, (value, spaces) => {
        const text = JSON.stringify(value, null, spaces);
        for (const [key, part] of Object.entries(value)) {
          expect(JSON.parse(memberText(text, key) ?? "")).toEqual(JSON.parse(JSON.stringify(part)));
        }
      }),
    );
    expect(memberText('{"a":{"b":1},"b":2,"b":3}', "b")).toBe("3");
    expect(memberText('{"a":{"b":1}}', "b")).toBeUndefined();
    expect(memberText("{}", "toString")).toBeUndefined();
  });

  test("a member is set where it stands or at the end, and the rest stays", () => {
    fc.assert(
      fc.property(object, fc.string(), fc.jsonValue(), indent, (value, key, part, spaces) => {
        const text = setMember(JSON.stringify(value, null, spaces), key, JSON.stringify(part));
        const wanted = new Map(Object.entries(value)).set(key, part);
        const there = new Map(Object.entries(JSON.parse(text)));
        expect([...there]).toEqual(JSON.parse(JSON.stringify([...wanted])).sort(byKeyOrderOf(there)));
      }),
    );
    expect(setMember("{}", "a", "1")).toBe('{"a":1}');
    expect(setMember('{"a":1,"a":2, "b" : 3}', "a", "4")).toBe('{"a":1,"a":4, "b" : 3}');
  });

  test("a key is renamed where it stands", () => {
    expect(renameMember('{"x":{"type":1},"type": "t","z":9007199254740993}', "type", "pattern_type")).toBe(
      '{"x":{"type":1},"pattern_type": "t","z":9007199254740993}',
    );
    expect(renameMember('{"x":1}', "type", "pattern_type")).toBe('{"x":1}');
  });
});

/** JavaScript puts keys that look like indexes first. */
function byKeyOrderOf(map: ReadonlyMap<string, unknown>) {
  const order = [...map.keys()];
  return (a: [string, unknown], b: [string, unknown]) => order.indexOf(a[0]) - order.indexOf(b[0]);
}
