/** Records of any source into a store. Writes are decided by what the store holds: to repeat them changes nothing. */
import { createHash } from "node:crypto";
import { PatterndError } from "../errors.ts";
import { canonical, setMember } from "../pattern/json-text.ts";
import type { PatternParser } from "../pattern/parse.ts";
import type { Pattern } from "../pattern/pattern.ts";
import type { RejectedLine } from "../pattern/rejection.ts";
import { storedPattern } from "../pattern/stored.ts";
import type { Zone } from "../pattern/zone.ts";
import { type Backend, NotStorable } from "../store/backend.ts";
import { adopt, withId } from "./adopt.ts";
import type { Found, FoundRecord, Origin } from "./record.ts";
import type { ImportReport } from "./report.ts";

/** SQLite writes large batches at twice the speed of small ones (docs/architecture.md). */
const BATCH_PATTERNS = 5_000;
const BATCH_BYTES = 8 * 1024 * 1024;
const SECOND_NS = 1_000_000_000n;
const ID_CHARACTERS = 256;
const WITH_ZONE = /(Z|[+-]\d\d:?\d\d)$/;

export interface ImportOptions {
  readonly parser: PatternParser;
  /** The store's. */
  readonly zone: Zone;
  readonly maxLineBytes: number;
  readonly report: ImportReport;
  /** Takes what can't be imported. */
  readonly keep: (origin: Origin, line: RejectedLine) => void;
  readonly onProgress: () => void;
}

/** @throws PatterndError what the store throws when it fails: what was imported until then is there. */
export async function importRecords(
  records: AsyncIterable<Found>,
  store: Backend,
  options: ImportOptions,
): Promise<void> {
  const batch = new Batch(store, options);
  for await (const found of records) {
    if (found.kind === "record") await batch.add(found);
    else options.report.fault(found);
    options.onProgress();
  }
  await batch.write();
}

interface Entry {
  readonly pattern: Pattern;
  readonly origin: Origin;
}

class Batch {
  readonly #store: Backend;
  readonly #options: ImportOptions;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(store: Backend, options: ImportOptions) {
    this.#store = store;
    this.#options = options;
  }

  async add(record: FoundRecord): Promise<void> {
    const { parser, maxLineBytes, report } = this.#options;
    const { origin, bytes, whole } = record;
    report.records += 1;
    const adopted = adopt(record, parser, maxLineBytes);
    if (adopted.kind === "rejection") {
      this.#refuse(origin, { rejection: adopted.rejection, bytes, ...(whole ? { whole } : {}) });
      return;
    }
    const { pattern, notes } = adopted;
    for (const note of notes) report.note(note, origin);
    if (!WITH_ZONE.test(pattern.timestamp)) {
      report.note(`a timestamp without a zone is read in the store's, ${report.timezone}`, origin);
    }
    const placed = await this.#place(pattern, record);
    report.retention.add(pattern);
    if (placed === undefined) report.alreadyThere += 1;
    else {
      this.#entries.set(placed.id, { pattern: placed, origin });
      this.#bytes += placed.line.length;
    }
    if (this.#entries.size >= BATCH_PATTERNS || this.#bytes >= BATCH_BYTES) await this.write();
  }

  /** Durable when it resolves. */
  async write(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    this.#bytes = 0;
    if (entries.length > 0) await this.#write(entries);
  }

  /** One pattern that the store refuses must not cost the others. */
  async #write(entries: readonly Entry[]): Promise<void> {
    try {
      const outcomes = await this.#store.write(entries.map(({ pattern }) => pattern));
      // None of these ids is there: what the store leaves out all the same was forgotten.
      const forgotten = outcomes.filter((outcome) => outcome === "superseded").length;
      this.#options.report.imported += entries.length - forgotten;
      this.#options.report.forgotten += forgotten;
    } catch (error) {
      if (!(error instanceof NotStorable)) throw error;
      const [only, ...others] = entries;
      if (only && others.length === 0) {
        const rejection = {
          code: "not_storable",
          message: error.message,
          patternId: only.pattern.id,
        } as const;
        this.#refuse(only.origin, { rejection, bytes: only.pattern.line });
        return;
      }
      const middle = Math.ceil(entries.length / 2);
      await this.#write(entries.slice(0, middle));
      await this.#write(entries.slice(middle));
    }
  }

  /** The pattern as it is to be written; undefined if the store has it. Another one's id is left to that one. */
  async #place(pattern: Pattern, { origin, precision }: FoundRecord): Promise<Pattern | undefined> {
    const known = await this.#known(pattern.id);
    if (known === undefined) return pattern;
    if (isSame(known, pattern, precision, this.#options.zone)) return undefined;
    const digest = createHash("sha256").update(pattern.line).digest("hex");
    for (const length of [8, 16, digest.length]) {
      const other = withId(pattern, `${shortened(pattern.id, length + 1)}~${digest.slice(0, length)}`);
      const there = await this.#known(other.id);
      if (there !== undefined && !isSame(there, other, precision, this.#options.zone)) continue;
      this.#options.report.renamed(origin, pattern.id, other.id);
      return there === undefined ? other : undefined;
    }
    throw new PatterndError("store_failed", `the store holds something else as ${pattern.id}~${digest}`);
  }

  async #known(id: string): Promise<string | undefined> {
    const waiting = this.#entries.get(id);
    return waiting ? Buffer.from(waiting.pattern.line).toString("utf8") : this.#store.get(id);
  }

  #refuse(origin: Origin, line: RejectedLine): void {
    this.#options.keep(origin, line);
    this.#options.report.refused(origin, line.rejection);
  }
}

/** One content, however it is spaced and escaped. A timestamp that was cut to seconds is the same within its second. */
function isSame(known: string, pattern: Pattern, precision: FoundRecord["precision"], zone: Zone): boolean {
  const line = Buffer.from(pattern.line).toString("utf8");
  if (known === line) return true;
  const content = canonical(line);
  if (canonical(known) === content) return true;
  if (precision === "full") return false;
  const instant = storedPattern(known, zone)?.instant;
  if (instant === undefined || instant / SECOND_NS !== pattern.instant / SECOND_NS) return false;
  return canonical(setMember(known, "timestamp", JSON.stringify(pattern.timestamp))) === content;
}

/** With so many characters left over below the most that an id may have. */
function shortened(id: string, leave: number): string {
  return [...id].slice(0, ID_CHARACTERS - leave).join("");
}
