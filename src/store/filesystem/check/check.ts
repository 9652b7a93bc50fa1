import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { PatterndError } from "../../../errors.ts";
import { Zone } from "../../../pattern/zone.ts";
import type { Finding, Repaired, StoreChecker, Tally } from "../../finding.ts";
import { lockStore, probableHolder } from "../../lock.ts";
import { LOCK_FILE, listDays, listSegments, METADATA_FILE } from "../layout.ts";
import { readMetadata } from "../metadata.ts";
import { type Fault, fault, findingOf } from "./fault.ts";
import { look } from "./look.ts";
import { mend } from "./mend.ts";

/** What a writer is doing is done by then, or has moved on. */
const SECOND_LOOK_MS = 1_000;
/** A repair may bring to light what damage hid: a line of another day, an id that counts twice. */
const MAX_ROUNDS = 5;

/** @throws PatterndError `store_not_found`, `store_foreign`, `store_newer` */
export function filesystemChecker(root: string): StoreChecker {
  const zone = zoneOf(root);
  return {
    async *check(tally) {
      if (zone) yield* checkBeside(root, zone, tally);
      else yield findingOf(damagedMetadata(root));
    },
    async *repair() {
      if (zone) yield* repair(root, zone);
    },
  };
}

/** Undefined if the store does not say it any more. */
function zoneOf(root: string): Zone | undefined {
  try {
    const metadata = readMetadata(root);
    if (!metadata) throw new PatterndError("store_not_found", `there is no store at ${root}`);
    return new Zone(metadata.timezone);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    const isUnread = error instanceof PatterndError && ["store_foreign", "store_failed"].includes(error.code);
    if (isUnread && isOurs(root)) return undefined;
    throw error;
  }
}

function isOurs(root: string): boolean {
  return (
    existsSync(join(root, LOCK_FILE)) || listDays(root).some((day) => listSegments(root, day).length > 0)
  );
}

function damagedMetadata(root: string): Fault {
  const found = "it is missing or damaged, though patterns are here: nothing else can be checked";
  return fault({ kind: "metadata_damaged", file: join(root, METADATA_FILE), found });
}

/** What a writer may just be doing is looked at twice, and believed only where no writer seems to be. */
async function* checkBeside(root: string, zone: Zone, tally: Tally): AsyncGenerator<Finding, void> {
  const unsettled = new Set<string>();
  for (const found of look(root, zone, tally)) {
    if (found.settles) unsettled.add(keyOf(found));
    else yield findingOf(found);
  }
  if (unsettled.size === 0 || probableHolder(join(root, LOCK_FILE)) !== undefined) return;
  await setTimeout(SECOND_LOOK_MS);
  for (const found of look(root, zone, { patterns: 0, bytes: 0, onProgress: tally.onProgress })) {
    if (found.settles && unsettled.has(keyOf(found))) yield findingOf(found);
  }
}

async function* repair(root: string, zone: Zone): AsyncGenerator<Repaired, void> {
  const lock = lockStore(join(root, METADATA_FILE), join(root, LOCK_FILE), "patternd check-store --repair");
  try {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const faults = [...look(root, zone, { patterns: 0, bytes: 0 })].filter(({ remedy }) => remedy);
      if (faults.length === 0) return;
      yield* mend(root, zone, faults);
    }
  } finally {
    lock.release();
  }
}

function keyOf({ kind, file, byte, found }: Finding): string {
  return `${kind} ${file} ${byte} ${found}`;
}
