import { existsSync, readdirSync, readFileSync } from "node:fs";
import type * as v from "valibot";
import { expect, test } from "vitest";
import { type Report, recommendationSchema, reportSchema } from "../src/analysis/report-schema.ts";
import { ANSWERS } from "../src/cli/answers.ts";
import { RELOADABLE } from "../src/config/live.ts";
import { ERROR_CODES } from "../src/errors.ts";
import { LOG_EVENTS } from "../src/log.ts";
import { REJECTION_CODES } from "../src/pattern/rejection.ts";
import { FINDINGS } from "../src/store/finding.ts";

/** The first cell of each row of the tables in a page, without its backquotes. */
function firstCells(page: string, from: string, to?: string): string[] {
  const text = readFileSync(new URL(`../docs/${page}`, import.meta.url), "utf8");
  const start = text.indexOf(from);
  const part = text.slice(start, to === undefined ? undefined : text.indexOf(to, start + 1));
  return [...part.matchAll(/^\| `([^`]+)` \|/gm)].flatMap((match) => match[1] ?? []);
}

function rowOf(text: string, cell: string): string {
  return text.slice(text.lastIndexOf(`\n| \`${cell}\` |`) + 1).split("\n", 1)[0] ?? "";
}

const ROOT = new URL("../", import.meta.url);
const PAGES = ["README.md", ...readdirSync(new URL("docs/", ROOT)).flatMap(pageIn)];

function pageIn(name: string): string[] {
  return name.endsWith(".md") ? [`docs/${name}`] : [];
}

function proseOf(page: URL): string {
  return readFileSync(page, "utf8").replace(/^```.*?^```$/gms, "");
}

/** What GitHub calls the headings of a page. */
function anchorsOf(page: URL): string[] {
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test.each(PAGES)("%s links to what is there", (name) => {
  const page = new URL(name, ROOT);
  const links = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  const dead = links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const target = new URL(link, page);
    const anchor = target.hash.slice(1);
    target.hash = "";
    return !existsSync(target) || (anchor !== "" && !anchorsOf(target).includes(anchor));
  });
  expect(dead).toEqual([]);
});

test("docs/errors.md lists the catalogue of errors", () => {
  expect(firstCells("errors.md", "# Errors")).toEqual([...ERROR_CODES].sort());
});

test("docs/asking.md lists what each command prints", () => {
  expect(firstCells("asking.md", "## What --json prints")).toEqual(Object.keys(ANSWERS));
  const text = readFileSync(new URL("../docs/asking.md", import.meta.url), "utf8");
  for (const [command, answer] of Object.entries(ANSWERS))
    expect(/^\| `[^`]+` \| `[^`]+` \| list: /.test(rowOf(text, command)), command).toBe("isList" in answer);
});

test("docs/operations.md lists every log event with its meaning", () => {
  const text = readFileSync(new URL("../docs/operations.md", import.meta.url), "utf8");
  expect(firstCells("operations.md", "## Logs", "## Reloading")).toEqual(Object.keys(LOG_EVENTS));
  for (const [event, meaning] of Object.entries(LOG_EVENTS)) {
    expect(text).toMatch(
      new RegExp(`^\\| \`${event}\` \\| \\w+ \\| ${meaning.replace(/[()]/g, "\\$&")} \\|$`, "m"),
    );
  }
});

test("docs/operations.md lists every key that a reload can change", () => {
  expect(firstCells("operations.md", "## Reloading", "## Under systemd")).toEqual([...RELOADABLE]);
});

test("docs/protocol.md lists every rejection code", () => {
  expect(firstCells("protocol.md", "## Rejections", "## Questions").sort()).toEqual(
    [...REJECTION_CODES].sort(),
  );
});

test("docs/operations.md lists every finding of a check", () => {
  expect(firstCells("operations.md", "## Checking a store", "## Files")).toEqual(
    Object.keys(FINDINGS).sort(),
  );
});

test("docs/analysis.md lists every key of a report, and every kind of recommendation", () => {
  const entries: Record<keyof Report, v.GenericSchema> = reportSchema.entries;
  expect(firstCells("analysis.md", "## The JSON object").filter((key) => !key.includes("."))).toEqual(
    Object.keys(entries),
  );
  expect(firstCells("analysis.md", "## Recommendations", "## The JSON")).toEqual(
    recommendationSchema.entries.kind.options,
  );
  const text = readFileSync(new URL("../docs/analysis.md", import.meta.url), "utf8");
  expect(keysIn(reportSchema).filter((key) => !text.includes(`\`${key}\``))).toEqual([]);
});

function keysIn(schema: object): string[] {
  if ("wrapped" in schema && schema.wrapped instanceof Object) return keysIn(schema.wrapped);
  if ("item" in schema && schema.item instanceof Object) return keysIn(schema.item);
  if (!("entries" in schema) || !(schema.entries instanceof Object)) return [];
  return Object.entries(schema.entries).flatMap(([key, value]) => [key, ...keysIn(value)]);
}
