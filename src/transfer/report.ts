/** What became of an import: counts of everything, and the first of each kind by name. */
import type { Rejection, RejectionCode } from "../pattern/rejection.ts";
import { RetentionOutlook, type RetentionRules } from "./outlook.ts";
import { type FoundFault, type Origin, originText } from "./record.ts";

/** So many of each list are named: memory is bounded. */
const NAMED = 1_000;

export interface Listed<T> {
  count: number;
  /** At most the first 1,000. */
  readonly first: T[];
}

interface Refused {
  readonly source: string;
  readonly code: RejectionCode;
  readonly path: string | undefined;
  readonly message: string;
  readonly pattern_id: string | undefined;
}

interface Renamed {
  readonly source: string;
  readonly pattern_id: string;
  readonly kept_as: string;
}

interface Fault {
  readonly file: string;
  readonly message: string;
}

export class ImportReport {
  readonly timezone: string;
  readonly retention: RetentionOutlook;
  /** Every record is imported, was there already, or is refused. */
  records = 0;
  imported = 0;
  alreadyThere = 0;
  /** Left out, since their ids are not to come back. */
  forgotten = 0;
  readonly #notes = new Map<string, { count: number; readonly example: string }>();
  readonly #refused: Listed<Refused> = { count: 0, first: [] };
  readonly #renamed: Listed<Renamed> = { count: 0, first: [] };
  readonly #unreadable: Listed<Fault> = { count: 0, first: [] };
  readonly #passedOver: Listed<Fault> = { count: 0, first: [] };

  constructor(timezone: string, retention: RetentionRules, now: Date) {
    this.timezone = timezone;
    this.retention = new RetentionOutlook(retention, now);
  }

  note(note: string, origin: Origin): void {
    const known = this.#notes.get(note);
    if (known) known.count += 1;
    else this.#notes.set(note, { count: 1, example: originText(origin) });
  }

  refused(origin: Origin, { code, path, message, patternId }: Rejection): void {
    list(this.#refused, { source: originText(origin), code, path, message, pattern_id: patternId });
  }

  renamed(origin: Origin, patternId: string, keptAs: string): void {
    list(this.#renamed, { source: originText(origin), pattern_id: patternId, kept_as: keptAs });
  }

  fault({ kind, file, message }: FoundFault): void {
    list(kind === "unreadable" ? this.#unreadable : this.#passedOver, { file, message });
  }

  /** Whether everything that was found is in the store now, and there was something. */
  get isWhole(): boolean {
    return this.records > 0 && this.#refused.count === 0 && this.#unreadable.count === 0;
  }

  /** As JSON shows it. */
  summary() {
    return {
      timezone: this.timezone,
      records: this.records,
      imported: this.imported,
      already_there: this.alreadyThere,
      ...(this.forgotten === 0 ? {} : { forgotten: this.forgotten }),
      refused: this.#refused,
      renamed: this.#renamed,
      unreadable: this.#unreadable,
      passed_over: this.#passedOver,
      notes: [...this.#notes].map(([note, { count, example }]) => ({ note, count, example })),
      retention: this.retention.outlook(),
    };
  }
}

function list<T>(listed: Listed<T>, item: T): void {
  listed.count += 1;
  if (listed.first.length < NAMED) listed.first.push(item);
}
