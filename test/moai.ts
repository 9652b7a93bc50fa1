/** What the Python library wrote, and what must come of it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { canonical, memberText, setMember } from "../src/pattern/json-text.ts";
import { parseTimestamp } from "../src/pattern/timestamp.ts";
import { Zone } from "../src/pattern/zone.ts";

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

export const MOAI = {
  filesystem: fixture("moai/filesystem"),
  collector: fixture("moai/collector"),
  sqlite: fixture("moai/patterns.db"),
  expected: fixture("moai-expected.ndjson"),
};

/** Of times without a zone, for the library that wrote the fixture. */
export const MOAI_ZONE = "UTC";
const SECOND_NS = 1_000_000_000n;

/** The 240 patterns as they were handed to the library, as text that does not depend on spaces and escapes. */
export function expected(zone = MOAI_ZONE): string[] {
  return inOrder(readFileSync(MOAI.expected, "utf8").trimEnd().split("\n"), zone).map(canonical);
}

/** The same with what is left of the timestamps in the library's database. */
export function expectedToTheSecond(): string[] {
  const cut = expected().map((line) => {
    const seconds = instantOf(line, new Zone(MOAI_ZONE)) / SECOND_NS;
    const text = new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z");
    return setMember(line, "timestamp", JSON.stringify(text));
  });
  return inOrder(cut, MOAI_ZONE);
}

function inOrder(lines: readonly string[], zone: string): string[] {
  const read = new Zone(zone);
  return lines
    .map((line) => ({ line, instant: instantOf(line, read), id: memberText(line, "pattern_id") ?? "" }))
    .sort((a, b) => Number(b.instant - a.instant) || (a.id < b.id ? -1 : 1))
    .map(({ line }) => line);
}

function instantOf(line: string, zone: Zone): bigint {
  const instant = parseTimestamp(JSON.parse(line).timestamp, zone);
  if (instant === undefined) throw new Error(`no timestamp in ${line}`);
  return instant;
}
