/**
 * Whether one version of each id counts, in eight bytes of memory a line. Hashes alone say which ids to look at once
 * more; their lines then say whether it is so.
 */

import type { IdHash } from "../../../pattern/id-hash.ts";
import type { Place } from "../replaced.ts";
import type { DayLine } from "./day-lines.ts";

const FIRST_CAPACITY = 1024;

/** One line of an id that was looked at once more. */
export interface Version {
  readonly file: string;
  readonly number: number;
  readonly place: Place;
  readonly instant: bigint;
  readonly counts: boolean;
}

export class Identities {
  readonly #counting = new Hashes();
  readonly #hidden = new Hashes();

  note({ counts }: DayLine, hash: IdHash): void {
    (counts ? this.#counting : this.#hidden).add(hash);
  }

  /** Those of which not exactly one line counts. */
  suspects(): ReadonlySet<bigint> {
    const counting = this.#counting.sorted();
    const suspects = new Set<bigint>();
    for (let n = 1; n < counting.length; n += 1) {
      const hash = counting[n];
      if (hash !== undefined && hash === counting[n - 1]) suspects.add(hash);
    }
    for (const hash of this.#hidden.sorted()) if (!includes(counting, hash)) suspects.add(hash);
    return suspects;
  }
}

/** Newest first; of equal instants the line that was received last, as far as one can tell. */
export function compareVersions(a: Version, b: Version): number {
  if (a.instant !== b.instant) return a.instant > b.instant ? -1 : 1;
  const isSameType = a.place.type === b.place.type;
  if (isSameType && (a.place.gz === undefined) !== (b.place.gz === undefined))
    return a.place.gz === undefined ? -1 : 1;
  return b.place.offset - a.place.offset || (a.file < b.file ? -1 : 1);
}

export function hashKey({ high, low }: IdHash): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

class Hashes {
  #all = new BigUint64Array(FIRST_CAPACITY);
  #count = 0;

  add(hash: IdHash): void {
    if (this.#count === this.#all.length) {
      const larger = new BigUint64Array(2 * this.#all.length);
      larger.set(this.#all);
      this.#all = larger;
    }
    this.#all[this.#count] = hashKey(hash);
    this.#count += 1;
  }

  sorted(): BigUint64Array {
    return this.#all.subarray(0, this.#count).sort();
  }
}

function includes(sorted: BigUint64Array, hash: bigint): boolean {
  let from = 0;
  for (let to = sorted.length; from < to; ) {
    const middle = (from + to) >>> 1;
    if ((sorted[middle] ?? 0n) < hash) from = middle + 1;
    else to = middle;
  }
  return sorted[from] === hash;
}
