/**
 * Repairs, in an order in which each step may be the last: what is cut is kept before it is cut, a line is in its new
 * place before it leaves the old one, and marks that wait for lines that never came go before a rewriting would
 * make them count (replaced.ts). Needs the writer's lock.
 */
import { chmodSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Zone } from "../../../pattern/zone.ts";
import { syncPath, writeFileDurably } from "../../durable.ts";
import type { Repaired } from "../../finding.ts";
import { listDays } from "../layout.ts";
import { lineStarts } from "../lines.ts";
import { asidePath, cutTornTail, keepAside } from "../repair.ts";
import { replacedPath } from "../replaced.ts";
import { SegmentWriter } from "../writer.ts";
import { type Fault, findingOf, type Remedy } from "./fault.ts";
import { mendForgotten } from "./forgotten.ts";
import { hasObstacle } from "./look.ts";
import { rewriteSegment } from "./rewrite.ts";

type FaultDoing<D extends Remedy["does"]> = Fault & { readonly remedy: Extract<Remedy, { does: D }> };

export function* mend(root: string, zone: Zone, faults: readonly Fault[]): Generator<Repaired, void> {
  for (const found of faults) yield* mendFile(root, found);
  yield* mendHashes(root, having(faults, "drop hashes"));
  yield* mendMarks(root, faults);
  yield* mendSegments(root, zone, faults);
  for (const found of having(faults, "index anew")) {
    rmSync(found.file, { force: true });
    yield { finding: findingOf(found) };
  }
  if (listDays(root).some((day) => hasObstacle(root, day))) return;
  // Opening finishes merges and makes the indexes.
  new SegmentWriter({ path: root, durability: "fsync", timezone: zone.id, readOnly: false }, zone).close();
  for (const found of having(faults, "open")) yield { finding: findingOf(found) };
}

function* mendFile(root: string, found: Fault): Generator<Repaired, void> {
  const { file, remedy } = found;
  const finding = findingOf(found);
  if (remedy?.does === "set mode") {
    chmodSync(file, remedy.mode);
    yield { finding };
  } else if (remedy?.does === "move aside") {
    const keptAs = asidePath(root, file);
    renameSync(file, keptAs);
    chmodSync(keptAs, 0o600);
    for (const folder of [dirname(keptAs), dirname(file)]) syncPath(folder);
    yield { finding, keptAs };
  } else if (remedy?.does === "cut tail") {
    yield { finding, keptAs: cutTornTail(root, { path: file, size: statSync(file).size })?.keptAs };
  }
}

function* mendHashes(root: string, faults: readonly Fault[]): Generator<Repaired, void> {
  if (faults.length === 0) return;
  const keptAs = mendForgotten(root);
  for (const found of faults) yield { finding: findingOf(found), keptAs };
}

function* mendMarks(root: string, faults: readonly Fault[]): Generator<Repaired, void> {
  for (const ofDay of grouped(having(faults, "drop marks"), ({ remedy }) => String(remedy.day))) {
    const file = replacedPath(root, ofDay[0].remedy.day);
    const dropped = new Set(ofDay.flatMap(({ remedy }) => remedy.texts));
    const [gone, kept]: [Buffer[], Buffer[]] = [[], []];
    for (const line of linesOf(readFileSync(file)))
      (dropped.has(line.toString("utf8").replace(/\n$/, "")) ? gone : kept).push(line);
    const keptAs = keepAside(root, file, Buffer.concat(gone));
    writeFileDurably(file, Buffer.concat(kept));
    for (const found of ofDay) yield { finding: findingOf(found), keptAs };
  }
}

function* mendSegments(root: string, zone: Zone, faults: readonly Fault[]): Generator<Repaired, void> {
  const all = [...having(faults, "rewrite"), ...having(faults, "leave out")];
  const segmentOf = ({ remedy }: (typeof all)[number]) => (remedy.does === "rewrite" ? remedy : remedy.place);
  for (const ofOne of grouped(all, (one) => `${segmentOf(one).day} ${segmentOf(one).type}`)) {
    const { day, type } = segmentOf(ofOne[0]);
    const places = having(ofOne, "leave out").map(({ remedy }) => remedy.place);
    const isDamaged = having(ofOne, "rewrite").length > 0;
    const done = rewriteSegment(root, zone, { day, type }, places, isDamaged);
    for (const found of ofOne) {
      const keptAs = found.remedy.does === "rewrite" ? done.damagedAs : done.linesAs;
      // What could not be moved yet is found again.
      if (keptAs !== undefined) yield { finding: findingOf(found), keptAs };
    }
  }
}

function having<D extends Remedy["does"]>(faults: readonly Fault[], does: D): FaultDoing<D>[] {
  return faults.filter((one): one is FaultDoing<D> => one.remedy?.does === does);
}

function grouped<T>(all: readonly T[], keyOf: (one: T) => string): [T, ...T[]][] {
  const groups = new Map<string, [T, ...T[]]>();
  for (const one of all) {
    const group = groups.get(keyOf(one));
    if (group) group.push(one);
    else groups.set(keyOf(one), [one]);
  }
  return [...groups.values()];
}

/** Each with its newline; the last may have none. */
function linesOf(bytes: Buffer): Buffer[] {
  const ends = lineStarts(bytes);
  if (ends.at(-1) !== bytes.length) ends.push(bytes.length);
  return ends.slice(1).map((end, n) => bytes.subarray(ends[n], end));
}
