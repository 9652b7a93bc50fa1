import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
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

test("docs/errors.md lists the catalogue of errors", () => {
  expect(firstCells("errors.md", "# Errors")).toEqual([...ERROR_CODES].sort());
});

test("docs/operations.md lists every log event with its meaning", () => {
  const text = readFileSync(new URL("../docs/operations.md", import.meta.url), "utf8");
  expect(firstCells("operations.md", "## Logs", "## Stopping")).toEqual(Object.keys(LOG_EVENTS));
  for (const [event, meaning] of Object.entries(LOG_EVENTS)) {
    expect(text).toMatch(
      new RegExp(`^\\| \`${event}\` \\| \\w+ \\| ${meaning.replace(/[()]/g, "\\$&")} \\|$`, "m"),
    );
  }
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
