/** What a check of a store can find: each kind once, with what a whole store has instead and what becomes of it. */
interface Kind {
  /** How it is in a whole store. */
  readonly expected: string;
  /** What `--repair` does about it; undefined if that leaves it alone. */
  readonly repair?: string;
  /** What a person does about it, where a repair does not. */
  readonly advice?: string;
  /** Worth saying, and nothing that makes the store any less whole. */
  readonly isRemark?: true;
}

const CUT = "left out of the segment, kept in .aside";

export const FINDINGS = {
  database_damaged: {
    expected: "a database that SQLite's integrity_check passes, with patternd's tables",
    repair: "what is readable is copied to a new store beside it; the damaged one stays as it is",
    advice: "Restore a backup, or put the salvaged store in its place.",
  },
  forgotten_damaged: {
    expected: "the SHA-256 of a forgotten id on each line, in 64 hexadecimal digits",
    repair: "what is none is dropped, kept in .aside",
    advice: "Forget those patterns again, `patternd forget ID`: until then they may come back.",
  },
  gzip_damaged: {
    expected: "whole gzip members with patternd's headers",
    repair:
      "whole blocks are packed anew; the damaged file and the lines of blocks with a wrong checksum are kept in .aside",
    advice: "Look at those lines: what is as it was comes back with `patternd import`.",
  },
  header_wrong: { expected: "patternd's application id and format number", repair: "written again" },
  id_hidden: {
    expected: "one version of each id that counts",
    repair: "the mark that hides its newest version is dropped, kept in .aside",
  },
  id_twice: { expected: "one version of each id that counts", repair: `the older version is ${CUT}` },
  index_unfit: { expected: "an index of what stands in the segment", repair: "made anew" },
  leftover: { expected: "no file that was never put in its place", repair: "moved to .aside" },
  line_damaged: { expected: "a pattern of this format on each line", repair: CUT },
  line_misplaced: {
    expected: "lines of the segment's own day and type",
    repair: "moved to the segment of its own day and type, a copy kept in .aside",
  },
  link: { expected: "plain files and folders", advice: "Nothing, if you made it.", isRemark: true },
  mark_damaged: { expected: "a mark on each line", repair: "dropped, kept in .aside" },
  mark_dangling: { expected: "marks of lines that are there", repair: "dropped, kept in .aside" },
  mark_pending: { expected: "the newer line that the mark waits for", repair: "dropped, kept in .aside" },
  merge_unfinished: { expected: "one file to hold each line", repair: "finished" },
  metadata_damaged: {
    expected: "what was fixed when the store was made: application, format, timezone, created",
    advice: "Restore it from a backup, with the zone that the store was made with.",
  },
  mode_wrong: { expected: "0600 for files, 0700 for folders", repair: "set" },
  not_ours: {
    expected: "nothing but patternd's files",
    advice: "Nothing, if you put it there.",
    isRemark: true,
  },
  obstacle: { expected: "a plain file", advice: "Move it away: patternd can't read what belongs there." },
  row_damaged: { expected: "a pattern in each row", repair: "taken out, kept beside the database" },
  row_differs: {
    expected: "columns, tags and agents as the line says",
    repair: "taken out, kept beside the database, and saved anew from its line",
  },
  row_multiline: {
    expected: "one line in each row",
    repair: "taken out, kept beside the database, and saved anew with spaces for the newlines",
  },
  row_twice: {
    expected: "one row of each id",
    repair: "taken out, kept beside the database, and saved anew from its line: the newer version stays",
  },
  sqlite_index_wrong: { expected: "an index with an entry for each row", repair: "made anew" },
  torn_tail: { expected: "a newline at the end", repair: "cut off, kept in .aside" },
  wal_alone: {
    expected: "the database that the write-ahead log belongs to",
    advice: "Put the database back beside it before anything opens the store: the log is part of it.",
  },
  word_stray: {
    expected: "rows of tags and agents that a pattern has",
    repair: "removed, kept beside the database",
  },
} as const satisfies Record<string, Kind>;

export type FindingKind = keyof typeof FINDINGS;

export interface Finding {
  readonly kind: FindingKind;
  readonly file: string;
  /** From 1, in the text: of a compressed segment, in what `zcat` prints. */
  readonly line?: number | undefined;
  /** Where it begins: in the file, or for a line of a compressed segment in its text. */
  readonly byte?: number | undefined;
  /** Of a database: the row's `seq`. */
  readonly row?: bigint | undefined;
  /** What is wrong; never what a pattern says. */
  readonly found: string;
}

/** What a repair did about a finding. */
export interface Repaired {
  readonly finding: Finding;
  /** The file that holds what was cut; undefined if nothing was. */
  readonly keptAs?: string | undefined;
}

/** How far a check has come. */
export interface Tally {
  /** That count. */
  patterns: number;
  /** Of the files that were read. */
  bytes: number;
  /** Called now and then. */
  readonly onProgress?: (() => void) | undefined;
}

export interface StoreChecker {
  /** Every finding, as it is found. Takes no lock, writes nothing, and may run beside a writer. */
  check(tally: Tally): AsyncGenerator<Finding, void>;
  /**
   * Takes the writer's lock and repairs what can be. May be ended at any moment and run again. What is left
   * another check tells.
   *
   * @throws PatterndError `store_locked`
   */
  repair(): AsyncGenerator<Repaired, void>;
}

export function kindOf(kind: FindingKind): Kind {
  return FINDINGS[kind];
}

/** A mode that gives anything to others, or special bits. One that keeps the owner from writing, as of a copy on a shelf, is the owner's affair. */
export function isOpenToOthers(mode: number): boolean {
  return (mode & 0o7077) !== 0;
}
