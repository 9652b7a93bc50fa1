/** The JSON Schema of a pattern, held to the schemas that the parser works with. `UPDATE=1` writes it anew. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import fc from "fast-check";
import type * as v from "valibot";
import { expect, test } from "vitest";
import { PatternParser } from "../src/pattern/parse.ts";
import {
  agentUsageData,
  anyPattern,
  errorOccurrenceData,
  taskCompletionData,
  userCorrectionData,
} from "../src/pattern/schema.ts";
import { Zone } from "../src/pattern/zone.ts";
import { changed, changesOf, TYPES } from "./pattern-changes.ts";
import { DECLARED, whole } from "./pattern-fixture.ts";
import { newSeed } from "./process/patterns.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const FILE = `${ROOT}pattern.schema.json`;
const DATA = {
  task_completion: taskCompletionData,
  error_occurrence: errorOccurrenceData,
  agent_usage: agentUsageData,
  user_correction: userCorrectionData,
};

/** What valibot checks by functions, as far as JSON Schema has words for it. */
const WORDS: Readonly<Record<string, JsonSchema>> = {
  "expected 1 to 256 characters without NUL or lone surrogates": {
    minLength: 1,
    maxLength: 256,
    pattern: "^[^\\u0000]*$",
  },
  "expected text without NUL or lone surrogates": { pattern: "^[^\\u0000]*$" },
};
const TIMESTAMP: JsonSchema = {
  description:
    "A real date from 1970 to 2261, at most 24 hours ahead of the daemon's clock. Without a zone it is read in the store's.",
  pattern: "^\\d{4}-\\d\\d-\\d\\d([T ]\\d\\d:\\d\\d(:\\d\\d(\\.\\d{1,9})?)?)?(Z|[+-]\\d\\d:?\\d\\d)?$",
};

function convert(schema: v.GenericSchema): JsonSchema {
  const { $schema, ...converted } = toJsonSchema(schema, {
    // Behind each gate that lets only objects through stands the schema of the object.
    typeMode: "output",
    overrideSchema: ({ valibotSchema }) => (valibotSchema.type === "custom" ? { type: "object" } : undefined),
    overrideAction: ({ valibotAction, jsonSchema }) => {
      if (valibotAction.type === "finite") return jsonSchema;
      if (valibotAction.type !== "check" || !("message" in valibotAction)) return undefined;
      const message = String(valibotAction.message);
      const words = message.startsWith("expected YYYY") ? TIMESTAMP : WORDS[message];
      return words && { ...jsonSchema, ...words };
    },
  });
  return converted;
}

function make() {
  const { properties = {}, ...pattern } = convert(anyPattern);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Pattern of patternd",
    ...pattern,
    properties: {
      ...properties,
      pattern_type: {
        type: "string",
        description: `${Object.keys(DATA).join(", ")}, or a type that is declared in the configuration.`,
      },
      timestamp: { type: "string", ...TIMESTAMP },
    },
    allOf: Object.entries(DATA).map(([type, data]) => ({
      if: { properties: { pattern_type: { const: type } }, required: ["pattern_type"] },
      // biome-ignore lint/suspicious/noThenProperty: JSON Schema's word.
      then: { properties: { data: convert(data) } },
    })),
  };
}

test("pattern.schema.json is the schema", () => {
  const schema = make();
  if (process.env.UPDATE) {
    writeFileSync(FILE, JSON.stringify(schema));
    execFileSync("npx", ["biome", "format", "--write", FILE], { cwd: ROOT });
  }
  expect(JSON.parse(readFileSync(FILE, "utf8"))).toEqual(JSON.parse(JSON.stringify(schema)));
});

const VALIDATE = `
import json, sys
from jsonschema import Draft7Validator
validator = Draft7Validator(json.load(open(sys.argv[1])))
print(json.dumps([validator.is_valid(json.loads(line)) for line in sys.stdin]))
`;
const hasValidator = spawnSync("python3", ["-c", "import jsonschema"]).status === 0;

test.skipIf(!hasValidator)(
  "pattern.schema.json says what the parser says, as far as it has the words",
  () => {
    const parser = new PatternParser({ zone: new Zone("UTC"), types: DECLARED });
    const built = TYPES.filter((type) => type !== "code_review");
    const seed = newSeed("JSON Schema");
    const lines = built
      .flatMap((type) =>
        fc
          .sample(changesOf(type), { seed, numRuns: 500 })
          .map((changes) => JSON.stringify(changes.reduce<unknown>(changed, whole(type)))),
      )
      // Python has integers and NaN of its own; lone surrogates and calendars are beyond JSON Schema.
      .filter((line) => !/e400|\\ud[89a-f]|02-30|9007199254740992/.test(line));
    const output = execFileSync("python3", ["-c", VALIDATE, FILE], { input: `${lines.join("\n")}\n` });
    const said: unknown = JSON.parse(output.toString());
    // Which types are declared, only the daemon knows.
    const accepted = lines.map((line) =>
      parser.faults(JSON.parse(line)).every(({ code }) => code === "unknown_pattern_type"),
    );
    expect(new Set(accepted).size).toBe(2);
    expect(said).toEqual(accepted);
  },
);
