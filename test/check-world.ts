/** Checking and repairing a store of segments, and doing it harm. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { filesystemChecker } from "../src/store/filesystem/check/check.ts";
import type { Finding, Repaired, StoreChecker, Tally } from "../src/store/finding.ts";
import type { Place } from "./conformance/place.ts";

export const DAY = "2026/05/01";
export const NOTES = `${DAY}/note.ndjson`;

/** Everything that a check says. */
export async function findingsOf(
  checker: StoreChecker,
  tally: Tally = { patterns: 0, bytes: 0 },
): Promise<Finding[]> {
  const all: Finding[] = [];
  for await (const finding of checker.check(tally)) all.push(finding);
  return all;
}

export async function repairsOf(checker: StoreChecker): Promise<Repaired[]> {
  const all: Repaired[] = [];
  for await (const one of checker.repair()) all.push(one);
  return all;
}

export async function found(place: Place, tally?: Tally): Promise<Finding[]> {
  return findingsOf(filesystemChecker(place.path), tally);
}

export async function repaired(place: Place): Promise<Repaired[]> {
  return repairsOf(filesystemChecker(place.path));
}

export const kindsOf = (findings: readonly Finding[]) => findings.map(({ kind }) => kind).sort();

/** What is below .aside, as latin1. */
export const asideOf = (place: Place) =>
  Buffer.concat(
    (existsSync(join(place.path, ".aside")) ? readdirSync(join(place.path, ".aside")) : [])
      .sort()
      .map((name) => readFileSync(join(place.path, ".aside", name))),
  ).toString("latin1");

export const edit = (store: string, path: string, change: (bytes: Buffer) => Buffer | string) =>
  writeFileSync(join(store, path), change(readFileSync(join(store, path))));
export const flip = (at: (bytes: Buffer) => number) => (bytes: Buffer) => {
  const byte = at(bytes);
  bytes[byte] = (bytes[byte] ?? 0) ^ 0xff;
  return bytes;
};

/** Of a compressed segment, whose merging is then not finished. */
export const markAsMerging = (bytes: Buffer) => {
  bytes.write("m", 32);
  return bytes;
};
