/** What is said of the sockets, and of what the command prints, is what they do. `UPDATE=1` writes it anew. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Hono } from "hono";
import { expect, test } from "vitest";
import { ANSWERS } from "../src/cli/answers.ts";
import { controlRoutes, queryRoutes } from "../src/control/routes.ts";
import { answersOver, unasked } from "./answers-fixture.ts";
import { converted, openApi, routesOf } from "./openapi.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Only the routes are looked at. */
const answers = answersOver({ get: unasked, query: unasked, stats: unasked, analyse: unasked }, unasked);

function routesIn(app: Hono): string[] {
  return app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path}`)
    .sort();
}

function held(name: string, value: object): void {
  const file = `${ROOT}${name}`;
  if (process.env.UPDATE) {
    writeFileSync(file, JSON.stringify(value));
    execFileSync("npx", ["biome", "format", "--write", file], { cwd: ROOT });
  }
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(JSON.parse(JSON.stringify(value)));
}

test("every route is described, and nothing else", () => {
  expect(routesIn(queryRoutes(answers))).toEqual(routesOf("query"));
  expect(routesIn(controlRoutes(answers))).toEqual(routesOf("control"));
});

test("openapi.json is the description", () => {
  held("openapi.json", openApi());
});

test("answers.schema.json says what the command prints", () => {
  held("answers.schema.json", {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "What patternd's commands print with --json",
    definitions: Object.fromEntries(
      Object.entries(ANSWERS).map(([command, answer]) => [
        command,
        {
          ...("isList" in answer ? { description: "One object a line." } : {}),
          ...converted(answer.schema),
        },
      ]),
    ),
  });
});
