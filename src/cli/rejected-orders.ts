/** `patternd rejected replay` and `purge`: by the running daemon; without one on the files and the store themselves. */
import * as v from "valibot";
import { post, problemOf } from "../client/http.ts";
import { type Config, loadConfig } from "../config/load.ts";
import { PatterndError } from "../errors.ts";
import { patternsAmong } from "../pattern/batch.ts";
import { PatternParser } from "../pattern/parse.ts";
import type { Pattern } from "../pattern/pattern.ts";
import type { RejectedFilter } from "../pattern/rejection.ts";
import { writeInstant } from "../pattern/timestamp.ts";
import { Zone } from "../pattern/zone.ts";
import type { Parse } from "../queue/batch.ts";
import { judgeByParser, judgeByStore } from "../queue/rejected/judges.ts";
import { RejectedLines } from "../queue/rejected/rejected.ts";
import { RejectedReview } from "../queue/rejected/replay.ts";
import { NotStorable } from "../store/backend.ts";
import { openStore } from "../store/open.ts";
import { isWanted } from "./confirm.ts";
import { counted, grouped } from "./progress.ts";
import type { AskFlags } from "./query.ts";
import { type MeantFlags, meantBy, moment } from "./rejected.ts";
import { findDaemon } from "./source.ts";
import { print, say } from "./terminal.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const replaySchema = v.object({
  dry_run: v.boolean(),
  lines: count,
  stored: count,
  rejected: count,
  not_collected: count,
  partial: count,
  damaged: count,
  rejected_by_code: v.record(v.string(), count),
});
export const purgeSchema = v.object({ dry_run: v.boolean(), lines: count, damaged: count, bytes: count });
type Replayed = v.InferOutput<typeof replaySchema>;
type Purged = v.InferOutput<typeof purgeSchema>;

/** 1 if any of the lines was refused again. */
export async function replay(flags: AskFlags & MeantFlags & { dryRun: boolean }): Promise<number> {
  const filter = meantBy(flags);
  const report = await withOrders(flags, (orders) => orders.replay(filter, flags.dryRun));
  await print(flags.json ? `${JSON.stringify(report)}\n` : `${replayText(report)}\n`);
  return report.rejected === 0 ? 0 : 1;
}

/** Asks before on a terminal; elsewhere `--yes` has to say it. */
export async function purge(
  flags: AskFlags & { code?: string | undefined; before?: string | undefined; yes: boolean },
): Promise<number> {
  const before = flags.before === undefined ? undefined : moment("--before", flags.before, "start");
  const filter = {
    ...meantBy({ code: flags.code }),
    ...(before === undefined ? {} : { until: before - 1n }),
  };
  if (!flags.yes && !process.stdin.isTTY) {
    throw new PatterndError("usage", "--yes: needed where nobody can be asked");
  }
  return withOrders(flags, async (orders) => {
    if (!flags.yes) {
      const planned = await orders.purge(filter, true);
      if (!(await isWanted(`Remove ${purgeText(planned)}? [y/N] `))) return 1;
    }
    const purged = await orders.purge(filter, false);
    await print(flags.json ? `${JSON.stringify(purged)}\n` : `removed ${purgeText(purged)}\n`);
    return 0;
  });
}

interface Orders {
  replay(filter: RejectedFilter, isDry: boolean): Promise<Replayed>;
  purge(filter: RejectedFilter, isDry: boolean): Promise<Purged>;
}

async function withOrders<T>(flags: AskFlags, run: (orders: Orders) => Promise<T>): Promise<T> {
  const config = loadConfig({ file: flags.config, env: process.env });
  const daemon = await findDaemon(config, "control", { env: process.env, socket: flags.socket, say });
  return daemon ? run(daemonOrders(daemon.socket)) : withStore(config, run);
}

function daemonOrders(socket: string): Orders {
  const order = async (name: string, { code, since, until }: RejectedFilter, isDry: boolean) => {
    const parameters = Object.entries({
      code,
      startDate: since === undefined ? undefined : writeInstant(since),
      endDate: until === undefined ? undefined : writeInstant(until),
      dryRun: String(isDry),
    });
    const search = new URLSearchParams();
    for (const [key, value] of parameters) if (value !== undefined) search.set(key, value);
    const answer = await post(socket, `/v1/rejected/${name}?${search}`);
    if (answer.status !== 200) throw problemOf(answer);
    return JSON.parse(answer.body);
  };
  return {
    replay: async (filter, isDry) => v.parse(replaySchema, await order("replay", filter, isDry)),
    purge: async (filter, isDry) => v.parse(purgeSchema, await order("purge", filter, isDry)),
  };
}

/** Whoever holds the store's lock may change the rejected lines, too. */
async function withStore<T>(config: Config, run: (orders: Orders) => Promise<T>): Promise<T> {
  const { backend, path, durability, timezone, types, collect, rejected, ingest } = config;
  // A store that is not there must not be created for this.
  await (await openStore(backend, { path, durability, timezone, readOnly: true })).close();
  const holder = "patternd rejected";
  const store = await openStore(backend, { path, durability, timezone, readOnly: false, holder });
  try {
    say(`no daemon answers; working on ${rejected.path} and ${backend} store ${path}`);
    const parser = new PatternParser({
      zone: new Zone(store.metadata.timezone),
      types,
      notCollected: new Set(Object.keys(collect).filter((type) => collect[type] === false)),
    });
    const parse: Parse<readonly Pattern[]> = async (lines) => {
      const { patterns, refused } = patternsAmong(parser, lines);
      return { patterns, firstId: patterns[0]?.id, refused };
    };
    const byParser = judgeByParser(parse);
    const byStore = judgeByStore(parse, {
      write: (patterns) => store.write(patterns),
      isRefusal: (error) => error instanceof NotStorable,
    });
    const lines = new RejectedLines({ ...rejected, folder: rejected.path, durability });
    const review = new RejectedReview(lines, ingest.maxLineBytes);
    return await run({
      replay: (filter, isDry) => review.replay(filter, isDry ? byParser : byStore, isDry),
      purge: (filter, isDry) => review.purge(filter, isDry),
    });
  } finally {
    await store.close();
  }
}

function replayText(report: Replayed): string {
  const { dry_run, lines, stored, rejected, not_collected, partial, damaged, rejected_by_code } = report;
  const codes = Object.entries(rejected_by_code).map(([code, number]) => `${grouped(number)} ${code}`);
  const also = [
    ...(rejected === 0 ? [] : [`${grouped(rejected)} rejected again (${codes.join(", ")})`]),
    ...(not_collected === 0 ? [] : [`${grouped(not_collected)} of types that are not collected`]),
    ...(partial === 0 ? [] : [`${grouped(partial)} kept only in part, which can't be replayed`]),
  ];
  const stays = also.length === 0 ? "" : `; ${dry_run ? "would stay" : "still kept"}: ${also.join(", ")}`;
  const passed = damaged === 0 ? "" : `; ${counted(damaged, "damaged record")} passed over`;
  const would = dry_run ? "would be stored" : "stored";
  return `${counted(lines, "rejected line")}: ${grouped(stored)} ${would}${stays}${passed}`;
}

function purgeText({ lines, damaged, bytes }: Purged): string {
  const also = damaged === 0 ? "" : ` and ${counted(damaged, "damaged record")}`;
  return `${counted(lines, "rejected line")}${also}, ${counted(bytes, "byte")}`;
}
