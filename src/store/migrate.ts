/**
 * One store into another, line by line as it is, with what it was told to forget. Nothing but the stores themselves
 * says how far a migration has come: writes are idempotent, so that one that was killed is simply run again.
 */
import { createHash } from "node:crypto";
import { messageOf, PatterndError } from "../errors.ts";
import type { Pattern } from "../pattern/pattern.ts";
import { storedPattern } from "../pattern/stored.ts";
import { Zone } from "../pattern/zone.ts";
import { type Backend, NotStorable, type OpenOptions, type Position, type StoreRepair } from "./backend.ts";
import { ForgottenIds } from "./forgotten.ts";
import { openStore, type StorePlace } from "./open.ts";

/** Lines; a page ends earlier at PAGE_BYTES. The filesystem reads a whole day for each page. */
const PAGE = 10_000;

export interface MigrationProgress {
  /** `check`: what the target holds already; `copy`; `verify`: both sides are read and compared. */
  readonly phase: "check" | "copy" | "verify";
  /** Patterns of this phase so far. */
  readonly patterns: number;
}

export interface MigrateOptions {
  readonly durability?: "fsync" | "os";
  readonly onProgress?: (progress: MigrationProgress) => void;
  /** Of either store. */
  readonly onRepair?: (repair: StoreRepair) => void;
}

export interface Migrated {
  /** In each of the two stores. */
  readonly patterns: number;
  /** Those that the target did not hold before. */
  readonly written: number;
  /** Over all lines, newest first, each with its newline: the same for both stores. */
  readonly sha256: string;
  /** In which the target reads timestamps without a zone. */
  readonly timezone: string;
}

/**
 * Holds both stores' locks throughout: nothing arrives meanwhile that would be left behind. The target may
 * hold what the source holds, or older versions of it, and nothing else.
 *
 * @throws PatterndError `migration_differs` with the first difference, before anything is written or after all
 *   was; what opening a store throws (`store_not_found` for a source that is not there, `store_locked`).
 */
export async function migrate(
  from: StorePlace,
  to: StorePlace,
  options: MigrateOptions = {},
): Promise<Migrated> {
  const { durability = "fsync", onProgress = () => {}, onRepair = () => {} } = options;
  const common = { durability, timezone: "UTC", holder: "patternd migrate", onRepair };
  // Opening for writing would create what is not there.
  await (await openStore(from.backend, { ...common, path: from.path, readOnly: true })).close();
  const source = await openStore(from.backend, { ...common, path: from.path, readOnly: false });
  try {
    const { timezone } = source.metadata;
    const target = await openTarget(from, to, { ...common, path: to.path, timezone, readOnly: false });
    try {
      const side = (store: Backend) => ({ store, zone: new Zone(timezone) });
      await checkTarget(side(source), side(target), onProgress);
      const hashes = await source.forgotten();
      // First, so that nothing can come back into the target, however early its daemon starts.
      await target.remember(hashes);
      const forgotten = new ForgottenIds(hashes);
      const written = await copy({ ...side(source), forgotten }, target, onProgress);
      return { ...(await verify({ ...side(source), forgotten }, target, onProgress)), written, timezone };
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

interface Side {
  readonly store: Backend;
  readonly zone: Zone;
}

interface Source extends Side {
  /** A forgetting that was ended on its way has left patterns that are not to be copied. */
  readonly forgotten: ForgottenIds;
}

async function openTarget(from: StorePlace, to: StorePlace, options: OpenOptions): Promise<Backend> {
  const target = await openStore(to.backend, options).catch((error: unknown) => {
    // The source's lock is this process's own.
    if (!(error instanceof PatterndError) || error.code !== "store_locked") throw error;
    const hint =
      from.backend === to.backend ? "The target must be another store than the source." : error.hint;
    throw new PatterndError("store_locked", error.message, { cause: error, hint });
  });
  const { timezone } = target.metadata;
  if (timezone === options.timezone) return target;
  await target.close();
  const message = `timestamps without a zone are read in ${options.timezone} by the source, in ${timezone} by the target`;
  throw new PatterndError("migration_differs", message);
}

/** What a migration that was killed leaves behind passes; anybody else's patterns do not. */
async function checkTarget(
  source: Side,
  target: Side,
  onProgress: NonNullable<MigrateOptions["onProgress"]>,
): Promise<void> {
  let patterns = 0;
  for await (const lines of pages(target.store)) {
    for (const line of lines) {
      const held = patternIn(line, target.zone);
      const wanted = await source.store.get(held.id);
      if (wanted === line) continue;
      const id = JSON.stringify(held.id);
      if (wanted === undefined) throw differs(`the target holds pattern ${id}, which the source does not`);
      if (patternIn(wanted, source.zone).instant < held.instant)
        throw differs(`the target holds a newer version of pattern ${id}`);
    }
    patterns += lines.length;
    onProgress({ phase: "check", patterns });
  }
}

async function copy(
  source: Source,
  target: Backend,
  onProgress: NonNullable<MigrateOptions["onProgress"]>,
): Promise<number> {
  let patterns = 0;
  let written = 0;
  for await (const lines of pagesToCopy(source)) {
    const outcomes = await write(
      target,
      lines.map((line) => patternIn(line, source.zone)),
    );
    written += outcomes.filter((outcome) => outcome !== "superseded").length;
    patterns += lines.length;
    onProgress({ phase: "copy", patterns });
  }
  return written;
}

async function write(target: Backend, patterns: readonly Pattern[]) {
  try {
    return await target.write(patterns);
  } catch (cause) {
    if (!(cause instanceof NotStorable)) throw cause;
    throw new PatterndError("store_failed", `the target refuses a pattern: ${messageOf(cause)}`, { cause });
  }
}

/** Both in their common order, side by side. */
async function verify(
  source: Source,
  target: Backend,
  onProgress: NonNullable<MigrateOptions["onProgress"]>,
): Promise<{ patterns: number; sha256: string }> {
  const digest = createHash("sha256");
  const copies = linesOf(target);
  let patterns = 0;
  for await (const lines of pagesToCopy(source)) {
    for (const line of lines) {
      const { value: found } = await copies.next();
      patterns += 1;
      if (found !== line)
        throw differs(
          `${described(line)} is number ${patterns} in the source, but ${described(found)} in the target`,
        );
      digest.update(line).update("\n");
    }
    onProgress({ phase: "verify", patterns });
  }
  const { value: more } = await copies.next();
  if (more !== undefined)
    throw differs(`the target has more than the ${patterns} patterns of the source: ${described(more)}`);
  return { patterns, sha256: digest.digest("hex") };
}

async function* pages(store: Backend): AsyncGenerator<readonly string[]> {
  let after: Position | undefined;
  do {
    const page = await store.query({}, { limit: PAGE, after });
    yield page.lines;
    after = page.next;
  } while (after !== undefined);
}

async function* pagesToCopy({ store, zone, forgotten }: Source): AsyncGenerator<readonly string[]> {
  for await (const lines of pages(store)) {
    yield forgotten.isEmpty ? lines : lines.filter((line) => !forgotten.has(patternIn(line, zone).id));
  }
}

async function* linesOf(store: Backend): AsyncGenerator<string, undefined> {
  for await (const lines of pages(store)) yield* lines;
}

function patternIn(line: string, zone: Zone): Pattern {
  const pattern = storedPattern(line, zone);
  if (pattern) return pattern;
  throw new PatterndError("store_failed", `a stored line is no pattern: ${described(line)}`, {
    hint: "It was put there by hand: take it out again, or complete it.",
  });
}

/** By its id alone: what it holds is nobody's but its owner's. */
function described(line: string | undefined): string {
  if (line === undefined) return "nothing";
  const id = storedPattern(line, new Zone("UTC"))?.id;
  const digest = createHash("sha256").update(line).digest("hex").slice(0, 8);
  return id === undefined
    ? `a line (sha256 ${digest}…)`
    : `pattern ${JSON.stringify(id)} (sha256 ${digest}…)`;
}

function differs(message: string): PatterndError {
  return new PatterndError("migration_differs", message);
}
