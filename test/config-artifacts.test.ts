/**
 * What ships beside the schema is held to it: the JSON Schema, the example, the table in the documentation.
 * `UPDATE=1` writes them anew.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../src/config/load.ts";
import { configSchema } from "../src/config/schema.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const EXAMPLE = `${ROOT}config.example.json`;
const DOCUMENT = `${ROOT}docs/configuration.md`;
const TABLE = /(?<=<!-- begin: [^\n]*-->\n).*?(?=<!-- end -->)/s;
const COMMENT_KEY = "^(\\$schema$|x-)";

/** Comments are allowed on every level, in records too, whose names are bound otherwise. */
function withComments(jsonSchema: JsonSchema): JsonSchema {
  const { propertyNames } = jsonSchema;
  return {
    ...jsonSchema,
    ...(propertyNames ? { propertyNames: { anyOf: [propertyNames, { pattern: COMMENT_KEY }] } } : {}),
    patternProperties: { [COMMENT_KEY]: {} },
  };
}

const jsonSchema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "Configuration of patternd",
  ...toJsonSchema(configSchema, {
    ignoreActions: ["check"],
    overrideSchema: ({ jsonSchema }) => (jsonSchema.type === "object" ? withComments(jsonSchema) : undefined),
  }),
};

const optionSchema = v.object({ description: v.string(), default: v.unknown() });
const sectionSchema = v.object({ properties: v.record(v.string(), v.unknown()) });

/** Every option of the schema: dotted path, default, description. */
function options(schema: unknown, keys: readonly string[] = []): [string, unknown, string][] {
  if (!v.is(sectionSchema, schema)) {
    const option = v.parse(optionSchema, schema);
    return [[keys.join("."), option.default, option.description]];
  }
  return Object.entries(schema.properties).flatMap(([key, inner]) => options(inner, [...keys, key]));
}

function table(): string {
  const rows = options(jsonSchema).map(
    ([path, standard, description]) => `| \`${path}\` | \`${JSON.stringify(standard)}\` | ${description} |`,
  );
  return ["| key | default | meaning |", "| --- | --- | --- |", ...rows, ""].join("\n");
}

function updated(file: string, make: () => string): string {
  if (process.env.UPDATE) {
    writeFileSync(file, make());
    if (file.endsWith(".json")) execFileSync("npx", ["biome", "format", "--write", file], { cwd: ROOT });
  }
  return readFileSync(file, "utf8");
}

test("config.schema.json is the schema", () => {
  const text = updated(`${ROOT}config.schema.json`, () => JSON.stringify(jsonSchema));
  expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(jsonSchema)));
});

test("config.example.json shows every key with its default, and nothing else", () => {
  const example = { $schema: "./config.schema.json", ...v.parse(configSchema, {}) };
  const text = updated(EXAMPLE, () => JSON.stringify(example));
  expect(JSON.parse(text)).toEqual(example);
});

test("the example loads, to what applies without any file", () => {
  const env = { HOME: "/home/somebody", XDG_RUNTIME_DIR: "/run/user/1000", XDG_CONFIG_HOME: "/nonexistent" };
  const { file, ...example } = loadConfig({ env, file: EXAMPLE });
  const { file: none, ...defaults } = loadConfig({ env });
  expect(file).toBe(EXAMPLE);
  expect(none).toBeUndefined();
  expect(example).toEqual(defaults);
});

test("docs/configuration.md lists every key, and nothing else", () => {
  const text = updated(DOCUMENT, () => readFileSync(DOCUMENT, "utf8").replace(TABLE, () => `\n${table()}\n`));
  expect(TABLE.exec(text)?.[0]).toBe(`\n${table()}\n`);
});

test("the examples in docs/configuration.md load", () => {
  const folder = mkdtempSync(join(tmpdir(), "patternd-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "config.json");
  const examples = [...readFileSync(DOCUMENT, "utf8").matchAll(/```json\n(.*?)```/gs)];
  expect(examples).not.toHaveLength(0);
  for (const [, json = ""] of examples) {
    writeFileSync(file, json);
    expect(loadConfig({ env: { HOME: "/home/somebody" }, file }).file).toBe(file);
  }
});
