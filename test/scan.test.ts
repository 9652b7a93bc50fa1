import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Parsed, PatternParser } from "../src/pattern/parse.ts";
import { LineScanner } from "../src/pattern/scan.ts";
import { patternSchemas } from "../src/pattern/schema.ts";
import { SLOTS } from "../src/pattern/shape.ts";
import { Zone } from "../src/pattern/zone.ts";
import { changed, changesOf, TYPES } from "./pattern-changes.ts";
import { DECLARED, whole } from "./pattern-fixture.ts";
import { newSeed } from "./process/patterns.ts";

const parser = new PatternParser({ zone: new Zone("UTC"), types: DECLARED });
const scanner = new LineScanner(patternSchemas(DECLARED));
const NEWLINE = Buffer.from("\n");

/** In the midst of other bytes, as in a batch. */
function scan(line: Buffer): boolean {
  return scanner.scan(Buffer.concat([line, NEWLINE, line, NEWLINE]), line.length + 1, 2 * line.length + 1);
}

/** What the scanner leaves to others: whether a timestamp is one, and whether it lies ahead. */
function isTimestampsFault(parsed: Parsed): boolean {
  return (
    parsed.kind === "rejection" && ["timestamp", "context.timestamp"].includes(parsed.rejection.path ?? "")
  );
}

function fieldsOf(parsed: Parsed) {
  if (parsed.kind !== "pattern") return undefined;
  const { id, type, timestamp, tags, agents, project, session, host } = parsed.pattern;
  return { id, type, timestamp, tags, agents, project, session, host };
}

function scannedFields() {
  const [id, , timestamp, project, session, host, ...agents] = SLOTS.slice(0, 9).map((_, slot) =>
    scanner.textOf(slot),
  );
  const once = <T>(list: readonly (T | undefined)[]) => [...new Set(list)].filter((one) => one !== undefined);
  return {
    id,
    type: scanner.type,
    timestamp,
    tags: once(scanner.tagTexts()),
    agents: once(agents),
    project,
    session,
    host,
  };
}

const gap = fc.constantFrom("", "", "", " ", "\t", " \r ");
/** JSON as somebody may write it: gaps anywhere, and any character as an escape. */
function written(value: unknown): fc.Arbitrary<string> {
  return fc.tuple(fc.infiniteStream(gap), fc.infiniteStream(fc.nat(1500))).map(([gaps, dice]) => {
    const some = () => gaps.next().value;
    const text = (string: string) => {
      const json = JSON.stringify(string).slice(1, -1);
      const escaped = json.replace(/[a-z]/g, (letter, at: number) =>
        json[at - 1] !== "\\" && dice.next().value === 0
          ? `\\u00${letter.charCodeAt(0).toString(16)}`
          : letter,
      );
      return `"${json.includes("\\") ? json : escaped}"`;
    };
    const write = (part: unknown): string => {
      if (typeof part === "string") return `${some()}${text(part)}${some()}`;
      if (Array.isArray(part)) return `${some()}[${part.map(write).join(",")}${some()}]${some()}`;
      if (typeof part !== "object" || part === null)
        return `${some()}${JSON.stringify(part) ?? "null"}${some()}`;
      const entries = Object.entries(part).map(([key, of]) => `${some()}${text(key)}${some()}:${write(of)}`);
      return `${some()}{${entries.join(",")}${some()}}${some()}`;
    };
    return write(value);
  });
}

/** Damage that may leave JSON, or nearly so. */
const damages = fc.array(
  fc.record({
    at: fc.nat(),
    cut: fc.nat(3),
    put: fc.oneof(
      fc.constantFrom(
        '"',
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "0",
        "-",
        ".",
        "e",
        "1e5",
        "null",
        "true",
        "\\u00",
        "\0",
      ),
      fc.constantFrom(
        ',"data":{}',
        ',"pattern_id":"y"',
        '"a":1,',
        "\\ud800",
        "é",
        "🦊",
        "1234567890123456789",
      ),
    ),
  }),
  { minLength: 1, maxLength: 3 },
);
const damage = fc.oneof(fc.constant([]), damages);

function damaged(text: string, places: readonly { at: number; cut: number; put: string }[]): string {
  return places.reduce((sofar, { at, cut, put }) => {
    const place = at % (sofar.length + 1);
    return sofar.slice(0, place) + put + sofar.slice(place + cut);
  }, text);
}

describe("the scanner", () => {
  test.each(TYPES)(
    "never takes for a %s what the parser refuses, and reads in it what the parser reads",
    (type) => {
      const seed = newSeed(`scanning ${type}`);
      const said = { taken: 0, left: 0, patterns: 0 };
      const lines = changesOf(type)
        .chain((changes) => fc.tuple(written(changes.reduce<unknown>(changed, whole(type))), damage))
        .map(([text, places]) => damaged(text, places));
      fc.assert(
        fc.property(lines, (text) => {
          const line = Buffer.from(text.replaceAll("\n", ""));
          const parsed = parser.parseLine(line);
          if (parsed.kind === "pattern") said.patterns += 1;
          if (!scan(line)) {
            said.left += 1;
            return;
          }
          said.taken += 1;
          if (isTimestampsFault(parsed)) return;
          expect(scannedFields()).toEqual(fieldsOf(parsed));
        }),
        { seed, numRuns: 3000 },
      );
      expect(Math.min(said.taken, said.left, said.patterns)).toBeGreaterThan(200);
    },
  );

  test.each(TYPES)("takes every %s that is written in the usual way", (type) => {
    const { data, pattern_type, ...others } = whole(type);
    for (const value of [whole(type), { data, ...others, pattern_type }, { pattern_type, data, ...others }]) {
      expect(scan(Buffer.from(JSON.stringify(value)))).toBe(true);
      expect(scan(Buffer.from(JSON.stringify(value, undefined, 1).replaceAll("\n", " ")))).toBe(true);
    }
  });

  test("leaves to others what is nested deeper than 100 levels, and takes what is not", () => {
    const nested = (levels: number) =>
      JSON.stringify(whole("agent_usage", { any: "here" })).replace(
        '"here"',
        "[".repeat(levels) + "]".repeat(levels),
      );
    expect(scan(Buffer.from(nested(98)))).toBe(true);
    expect(scan(Buffer.from(nested(99)))).toBe(false);
    expect(parser.parseLine(Buffer.from(nested(98))).kind).toBe("pattern");
    expect(parser.parseLine(Buffer.from(nested(99)))).toMatchObject({ rejection: { code: "too_deep" } });
  });

  test("leaves to others what it has no fields for", () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`field${at}`, "string" as const]));
    const wide = new LineScanner(patternSchemas({ wide: { required: many } }));
    const line = Buffer.from('{"pattern_id":"x","pattern_type":"wide","timestamp":"2026-05-01","data":{}}\n');
    expect(wide.scan(line, 0, line.length - 1)).toBe(false);
  });
});

test("each character means the same wherever it stands in a text, and whatever stands around it", () => {
  for (let code = 0; code < 0x180; code += 1) {
    for (let at = 0; at < 8; at += 1) {
      for (const filler of ["a", "~", " ", "é"]) {
        const name = `${filler.repeat(at)}${String.fromCharCode(code)}${filler.repeat(8 - at)}`;
        const value = { ...whole("agent_usage"), context: { project_name: "@" } };
        const line = Buffer.from(JSON.stringify(value).replace("@", name));
        const isPattern = parser.parseLine(line).kind === "pattern";
        expect([name, scan(line)]).toEqual([name, isPattern]);
        if (isPattern) expect(scannedFields().project).toBe(name);
      }
    }
  }
});
