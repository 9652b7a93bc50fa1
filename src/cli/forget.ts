/** `patternd forget`: by the running daemon; without one on the store and the folders themselves. */
import { existsSync } from "node:fs";
import * as v from "valibot";
import { post, problemOf } from "../client/http.ts";
import { type Config, loadConfig } from "../config/load.ts";
import { PatterndError } from "../errors.ts";
import { type ForgetReport, forget } from "../forgetting/forget.ts";
import { storedPattern } from "../pattern/stored.ts";
import { Zone } from "../pattern/zone.ts";
import { RejectedLines } from "../queue/rejected/rejected.ts";
import { RejectedReview } from "../queue/rejected/replay.ts";
import type { Backend } from "../store/backend.ts";
import { openStore } from "../store/open.ts";
import { parseQuery, type QueryParameters } from "../store/query.ts";
import { placesOf } from "../wiring/upkeeping.ts";
import { openSpool } from "../wiring/writing.ts";
import { isWanted } from "./confirm.ts";
import { type FilterFlags, wantedBy } from "./filters.ts";
import { sayRepair } from "./import.ts";
import { counted } from "./progress.ts";
import type { AskFlags } from "./query.ts";
import { findDaemon, searchOf } from "./source.ts";
import { print, say } from "./terminal.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const forgetSchema = v.object({
  dry_run: v.boolean(),
  patterns: count,
  rejected: count,
  outbox: count,
  aside: count,
});

const FORGET_MS = 86_400_000;
/** A request's first line has room for 16 KiB. */
const IDS_BYTES = 8_000;
const BACKUPS = "Backups, exports and copies are untouched: what they hold of it is yours to remove.";

interface Wanted {
  readonly ids: readonly string[];
  readonly parameters: QueryParameters | undefined;
}

type Order = (wanted: Wanted, isDry: boolean) => Promise<ForgetReport>;

export async function forgetPatterns(
  ids: readonly string[],
  flags: AskFlags & FilterFlags & { dryRun: boolean; yes: boolean },
): Promise<number> {
  const wanted = meantBy(ids, flags);
  if (!flags.dryRun && !flags.yes && !process.stdin.isTTY)
    throw new PatterndError("usage", "--yes: needed where nobody can be asked");
  return withOrder(flags, async (order) => {
    if (!flags.dryRun && !flags.yes) {
      const planned = await order(wanted, true);
      if (!(await isWanted(`Forget ${textOf(planned)} for good? [y/N] `))) return 1;
    }
    const report = await order(wanted, flags.dryRun);
    const words = `${flags.dryRun ? "would forget" : "forgot"} ${textOf(report)}\n`;
    await print(flags.json ? `${JSON.stringify(report)}\n` : words);
    if (!flags.dryRun) say(BACKUPS);
    return 0;
  });
}

/** @throws PatterndError `usage` */
function meantBy(ids: readonly string[], flags: FilterFlags): Wanted {
  if (flags.limit !== undefined || flags.cursor !== undefined)
    throw new PatterndError("usage", "--limit and --cursor: what is forgotten is all that is meant");
  const { parameters } = wantedBy(flags);
  const isFiltered = Object.values(parameters).some((value) => value !== undefined);
  if (!isFiltered && ids.length === 0)
    throw new PatterndError("usage", "expected ids or a filter: everything is never meant");
  if (ids.includes("")) throw new PatterndError("usage", "expected ids, got an empty text");
  return { ids, parameters: isFiltered ? parameters : undefined };
}

async function withOrder<T>(flags: AskFlags, run: (order: Order) => Promise<T>): Promise<T> {
  const config = loadConfig({ file: flags.config, env: process.env });
  const daemon = await findDaemon(config, "control", { env: process.env, socket: flags.socket, say });
  return daemon ? run(daemonOrder(daemon.socket)) : withStore(config, run);
}

/** As many requests as the ids need. */
function daemonOrder(socket: string): Order {
  return async ({ ids, parameters }, isDry) => {
    const reports: ForgetReport[] = [];
    const some = [...chunksOf(ids)];
    for (const [index, chunk] of (some.length === 0 ? [[]] : some).entries()) {
      const search = index === 0 ? searchOf(parameters ?? {}) : new URLSearchParams();
      for (const id of chunk) search.append("id", id);
      search.set("dryRun", String(isDry));
      const answer = await post(socket, `/v1/forget?${search}`, FORGET_MS);
      if (answer.status !== 200) throw problemOf(answer);
      reports.push(v.parse(forgetSchema, JSON.parse(answer.body)));
    }
    return reports.reduce((sum, one) => ({
      dry_run: isDry,
      patterns: sum.patterns + one.patterns,
      rejected: sum.rejected + one.rejected,
      outbox: sum.outbox + one.outbox,
      aside: sum.aside + one.aside,
    }));
  };
}

function* chunksOf(ids: readonly string[]): Generator<string[], void> {
  let chunk: string[] = [];
  let bytes = 0;
  for (const id of ids) {
    const own = encodeURIComponent(id).length + 4;
    if (chunk.length > 0 && bytes + own > IDS_BYTES) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(id);
    bytes += own;
  }
  if (chunk.length > 0) yield chunk;
}

async function withStore<T>(config: Config, run: (order: Order) => Promise<T>): Promise<T> {
  const { backend, path, durability, timezone, rejected, ingest } = config;
  // A store that is not there must not be created for this.
  await (await openStore(backend, { path, durability, timezone, readOnly: true })).close();
  const holder = "patternd forget";
  const store = await openStore(backend, {
    path,
    durability,
    timezone,
    readOnly: false,
    holder,
    onRepair: sayRepair,
  });
  try {
    say(`no daemon answers; working on ${backend} store ${path}`);
    await drainSpool(config, store);
    const lines = new RejectedLines({ ...rejected, folder: rejected.path, durability });
    const review = new RejectedReview(lines, ingest.maxLineBytes);
    const zone = new Zone(store.metadata.timezone);
    const { maxLineBytes } = ingest;
    const parts = { store, zone, review, places: placesOf(config), maxLineBytes, isServed: false };
    return await run(({ ids, parameters }, isDry) => {
      const filter = parameters && parseQuery(parameters, Zone.host()).filter;
      return forget(parts, { ids, filter }, isDry);
    });
  } finally {
    await store.close();
  }
}

/** What waits for the store goes there first: it is asked what is meant, and leaves out what is forgotten. */
async function drainSpool(config: Config, store: Backend): Promise<void> {
  if (!existsSync(config.queue.spoolPath)) return;
  const { spool, lock } = await openSpool(config, () => {});
  try {
    const zone = new Zone(store.metadata.timezone);
    for (let spooled = await spool.next(); spooled; spooled = await spool.next()) {
      await store.write(spooled.lines.flatMap((line) => storedPattern(line.toString("utf8"), zone) ?? []));
      await spool.remove(spooled);
    }
    await spool.close();
  } finally {
    lock.release();
  }
}

function textOf({ patterns, rejected, outbox, aside }: ForgetReport): string {
  const also = [
    ...(rejected === 0 ? [] : [counted(rejected, "rejected line")]),
    ...(outbox === 0 ? [] : [`${counted(outbox, "line")} in the outbox`]),
    ...(aside === 0 ? [] : [`${counted(aside, "line")} kept aside`]),
  ];
  return [counted(patterns, "pattern"), ...also].join(", ");
}
