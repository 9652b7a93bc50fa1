import type { Periods } from "../analysis/period.ts";
import type { Report } from "../analysis/report-schema.ts";
import type { Pattern } from "../pattern/pattern.ts";
import type { Outcome } from "../pattern/settlement.ts";
import type { Filter } from "./filter.ts";

export type { Outcome } from "../pattern/settlement.ts";

/** Where a page ends and the next begins: the order is newest instant first, ties by id (by code point). */
export interface Position {
  readonly instant: bigint;
  readonly id: string;
}

export interface Page {
  /** The stored lines, without newline. */
  readonly lines: readonly string[];
  /** Where the next page begins; undefined when there is none. */
  readonly next: Position | undefined;
}

/** What a store holds. Replaced versions count nowhere but in bytes. */
export interface StoreStats {
  readonly patterns: number;
  readonly byType: Readonly<Record<string, number>>;
  /** Nanoseconds since the epoch; undefined in an empty store. */
  readonly oldest: bigint | undefined;
  readonly newest: bigint | undefined;
  /** On disk, with all that belongs to the store. */
  readonly bytes: number;
}

/** At most `limit` patterns, and fewer when their lines come to more than `maxBytes`: memory is bounded. */
export interface PageRequest {
  readonly limit: number;
  readonly after?: Position | undefined;
  /** `PAGE_BYTES` if not said. */
  readonly maxBytes?: number;
  /**
   * Ends a page that takes longer to look for, with what was found: none may be, and `next` says where to go on. Others
   * get their answers meanwhile, and the first hits are there before the last. A page takes longer where the next one would
   * have to look at most of it again.
   */
  readonly lookMs?: number;
}

export const PAGE_BYTES = 8 * 1024 * 1024;

/** Fixed when the store was created, kept in the store itself. */
export interface StoreMetadata {
  readonly format: number;
  /** IANA zone in which timestamps without a zone are read. */
  readonly timezone: string;
}

/**
 * A store of patterns. One implementation a kind; whatever they share (packing, threads, retries, splitting a
 * batch) is outside of them. The same conformance suite runs over every backend.
 *
 * Every method rejects with a PatterndError `store_failed` whose cause is the system's error when the machinery
 * fails (worth another try), except where it says otherwise.
 */
export interface Backend {
  readonly metadata: StoreMetadata;
  /**
   * Stores patterns in the order given: outcomes in that order, durable when the promise resolves. After a
   * rejection none of the batch counts, and the same batch may be written again. A crash on the way may leave
   * whole lines of it, never a part of one. Rejects with NotStorable when it is a pattern, not the machinery,
   * that can't be stored.
   */
  write(patterns: readonly Pattern[]): Promise<Outcome[]>;
  /** The newest version's line, or undefined. */
  get(id: string): Promise<string | undefined>;
  /** Every filter applies before the limit. Reads see whole lines, and one version of each pattern. */
  query(filter: Filter, page: PageRequest): Promise<Page>;
  stats(): Promise<StoreStats>;
  /**
   * What the filter's patterns say, against those of the period before, in memory that does not grow with them; in
   * short steps, between which questions are answered. What is stored or replaced meanwhile may be missing.
   *
   * @param periods what the filter's start and end mean
   * @param gone nobody waits for it any more: it may end with `store_closed`, before it begins or on the way
   */
  analyse(filter: Filter, periods: Periods, gone?: AbortSignal): Promise<Report>;
  /**
   * Removes exactly the patterns whose instant is before the cutoff (nanoseconds since the epoch), but for the
   * exceptions, with every replaced version that is as old, and resolves to how many patterns went. Works in short
   * steps between which patterns are written and questions answered; what arrives meanwhile and is as old may stay.
   * Ended on the way, some of them are gone, and each of the others is there.
   */
  deleteOlderThan(cutoff: bigint, exceptions?: Exceptions, onDeleted?: OnDeleted): Promise<number>;
  /**
   * What `deleteOlderThan` would remove now, or what of that compression could make smaller; in short steps, with one
   * moment for each UTC day. Reads little of what is younger. Changes nothing: a store that is open for reading only
   * answers as well.
   */
  countOlderThan(cutoff: bigint, exceptions?: Exceptions, of?: Counted): Promise<Census>;
  /**
   * Makes what is older than a UTC day (days since the epoch) smaller on disk, and resolves to how many files
   * were; in short steps, like a deletion. Whatever is asked before, meanwhile and after has the same answers.
   */
  compress(beforeDay: number): Promise<number>;
  /**
   * Removes every version of the patterns with these ids, so that nothing of them can be read from the store's files any
   * more, and remembers the SHA-256 of each id: from then on a pattern with this id is `superseded` whenever it
   * comes. Resolves to how many patterns went. In short steps, like a deletion; ended on the way, the ids are
   * remembered all the same, and what is left of them goes when it is called again.
   */
  forget(ids: readonly string[]): Promise<number>;
  /** The first part of `forget`: the ids are remembered, durably when it resolves, and nothing is removed yet. */
  refuse(ids: readonly string[]): Promise<void>;
  /** The SHA-256, in hexadecimal digits, of each id that was forgotten. Writers only. */
  forgotten(): Promise<readonly string[]>;
  /** Takes over what another store says of itself with `forgotten`: durable when it resolves. Removes nothing. */
  remember(forgotten: readonly string[]): Promise<void>;
  /** Idempotent. Releases the writer's lock, and ends what works in steps with `store_closed`. */
  close(): Promise<void>;
}

/** Told how many more went, after each step of a deletion in which any did. */
export type OnDeleted = (patterns: number) => void;

/** Patterns that a deletion treats otherwise than by the one cutoff. */
export interface Exceptions {
  /** Cutoffs of single types, which count instead. */
  readonly byType?: Readonly<Record<string, bigint>>;
  /** Patterns with one of these tags stay, however old. */
  readonly keepTags?: readonly string[];
}

/** All that is old, or the days and types of which something could be compressed: none on SQLite. */
export type Counted = "all" | "plain";

/** Patterns of one type on one UTC day (since the epoch). */
export interface Share {
  readonly day: number;
  readonly type: string;
  readonly patterns: number;
  /** What they take on disk, as near as that can be said without reading them. */
  readonly bytes: number;
  /** Of these, what compression could make smaller: none on SQLite. */
  readonly plainBytes: number;
}

export interface Census {
  /** What the whole store takes on disk. */
  readonly bytes: number;
  /** Of these, what is in use: in a database a deletion leaves pages free, and gives them back at its end. */
  readonly used: number;
  /** Of what was asked for, oldest day first. */
  readonly shares: readonly Share[];
  /** Whether all that is old is more than half of all patterns; false where only a part of it was counted. */
  readonly isMost: boolean;
}

/** A batch holds a pattern that this backend refuses, and always will: the queue splits to find which. */
export class NotStorable extends Error {
  override readonly name = "NotStorable";
  /** Its place in the batch, where the backend can tell. */
  readonly index: number | undefined;

  constructor(message: string, { index, ...options }: ErrorOptions & { readonly index?: number } = {}) {
    super(message, options);
    this.index = index;
  }
}

export interface OpenOptions {
  readonly path: string;
  /** `fsync`: a resolved write survives a power cut. `os`: it survives the end of the process. */
  readonly durability: "fsync" | "os";
  /** Used once, when the store is created. */
  readonly timezone: string;
  /** No lock, no repair, nothing written; the store must exist. */
  readonly readOnly: boolean;
  /** Who holds the lock, for the message that others get. */
  readonly holder?: string;
  /** Told of repairs made while opening, in the log's terms. */
  readonly onRepair?: (event: StoreRepair) => void;
  /** Told how many milliseconds a write took to be made durable; more than once where it takes several steps. */
  readonly onSynced?: (ms: number) => void;
}

/** A write that a crash cut short, removed from a file's end and kept aside. */
export interface StoreRepair {
  readonly file: string;
  readonly bytes: number;
  readonly keptAs: string;
}
