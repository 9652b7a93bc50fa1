/** Which lines a rewriting leaves out besides those that no longer count. */

import { hashId, type IdHash } from "../../pattern/id-hash.ts";
import { indexedFields } from "../../pattern/parse.ts";
import type { Zone } from "../../pattern/zone.ts";
import type { Cutoffs } from "../cutoffs.ts";
import type { Block } from "./block-index.ts";
import type { Span } from "./segment-ids.ts";
import { readStored } from "./stored-line.ts";

export interface Leaving {
  /** Whether all of a block's patterns go, or none; undefined if each is to be looked at. */
  ofBlock(block: Block): boolean | undefined;
  /** Whether this pattern goes. */
  ofLine(line: Buffer, hash: IdHash): boolean;
  /** Between which instants those lie that stay of a block. */
  spanLeft(block: Block): Span;
}

export const NOTHING_LEAVES: Leaving = {
  ofBlock: () => false,
  ofLine: () => false,
  spanLeft: (block) => block,
};

/** What is old of one type. */
export function oldOfType(type: string, cutoffs: Cutoffs, zone: Zone): Leaving {
  const cutoff = cutoffs.of(type);
  return {
    ofBlock({ oldest, newest }) {
      if (oldest >= cutoff) return false;
      return newest < cutoff && !cutoffs.hasKeepTags ? true : undefined;
    },
    ofLine(line) {
      const stored = readStored(line, zone);
      if (stored === undefined || stored.instant >= cutoff) return false;
      return !cutoffs.hasKeepTags || !cutoffs.isHeld(indexedFields(stored.value).tags);
    },
    spanLeft({ oldest, newest }) {
      return { oldest: oldest > cutoff || cutoffs.hasKeepTags ? oldest : cutoff, newest };
    },
  };
}

/** Every version of these patterns. */
export function withIds(ids: readonly string[], zone: Zone): Leaving {
  const wanted = new Set(ids);
  const hashes = new Set(ids.map((id) => hashId(id).low));
  return {
    ofBlock: () => undefined,
    ofLine: (line, { low }) => hashes.has(low) && wanted.has(readStored(line, zone)?.id ?? ""),
    spanLeft: (block) => block,
  };
}
