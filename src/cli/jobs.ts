/** `patternd delete-old` and `patternd compress`: by the running daemon; without one on the store itself. */
import * as v from "valibot";
import { get, post, problemOf } from "../client/http.ts";
import { type Config, loadConfig } from "../config/load.ts";
import { MAX_DAYS } from "../config/schema.ts";
import { PatterndError } from "../errors.ts";
import { openStore } from "../store/open.ts";
import type { Jobs } from "../upkeep/jobs.ts";
import type { JobReport } from "../upkeep/report.ts";
import type { JobName } from "../upkeep/state.ts";
import { upkeepJobs } from "../wiring/upkeeping.ts";
import { type Progress, withBar } from "./bar.ts";
import { sayRepair } from "./import.ts";
import { counted, grouped } from "./progress.ts";
import type { AskFlags } from "./query.ts";
import { findDaemon } from "./source.ts";
import { layOut } from "./table.ts";
import { print, say } from "./terminal.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const jobSchema = v.object({
  job: v.picklist(["retention", "compression"]),
  dry_run: v.boolean(),
  patterns: count,
  files: count,
  bytes_before: count,
  bytes_after: count,
  ms: count,
  shares: v.array(v.object({ day: v.string(), type: v.string(), patterns: count, bytes: count })),
});

/** A job that leaves most of the time to others may take hours. */
const JOB_MS = 86_400_000;

const running = v.nullable(v.object({ done: count, total: count }));
const healthSchema = v.object({
  store: v.object({ backend: v.string() }),
  jobs: v.object({ retention: v.object({ running }), compression: v.object({ running }) }),
});

export async function deleteOld(
  flags: AskFlags & { days?: string | undefined; dryRun: boolean },
): Promise<number> {
  const days = flags.days === undefined ? undefined : parseDays(flags.days);
  return runJob("retention", flags, days);
}

export async function compress(flags: AskFlags & { dryRun: boolean }): Promise<number> {
  return runJob("compression", flags, undefined);
}

async function runJob(
  job: JobName,
  flags: AskFlags & { dryRun: boolean },
  days: number | undefined,
): Promise<number> {
  const config = loadConfig({ file: flags.config, env: process.env });
  const daemon = await findDaemon(config, "control", { env: process.env, socket: flags.socket, say });
  const asked = { isDry: flags.dryRun, days };
  const report = daemon ? await byDaemon(daemon.socket, job, asked) : await onStore(config, job, asked);
  const { backend } = daemon ? v.parse(healthSchema, JSON.parse(daemon.health.body)).store : config;
  await print(
    flags.json
      ? `${JSON.stringify(report)}\n`
      : `${textOf(report, backend, process.stdout.columns ?? 100)}\n`,
  );
  return 0;
}

interface Asked {
  readonly isDry: boolean;
  readonly days: number | undefined;
}

async function byDaemon(socket: string, job: JobName, { isDry, days }: Asked): Promise<JobReport> {
  const search = new URLSearchParams({ dryRun: String(isDry) });
  if (days !== undefined) search.set("days", String(days));
  const answer = await withBar(
    async () => {
      const health = await get(socket, "/health");
      return v.parse(healthSchema, JSON.parse(health.body)).jobs[job].running ?? undefined;
    },
    post(socket, `/v1/jobs/${job}?${search}`, JOB_MS),
  );
  if (answer.status !== 200) throw problemOf(answer);
  return v.parse(jobSchema, JSON.parse(answer.body));
}

/** What only looks needs no lock, and never creates a store. */
async function onStore(config: Config, job: JobName, asked: Asked): Promise<JobReport> {
  const { backend, path, durability, timezone } = config;
  const options = { path, durability, timezone, holder: `patternd ${job}`, onRepair: sayRepair };
  const reader = await openStore(backend, { ...options, readOnly: true });
  try {
    say(`no daemon answers; working on ${backend} store ${path}`);
    if (asked.isDry) return await jobsOn(config, reader).run(job, asked);
  } finally {
    await reader.close();
  }
  const store = await openStore(backend, { ...options, readOnly: false });
  try {
    const jobs = jobsOn(config, store);
    return await withBar(async () => progressOf(jobs, job), jobs.run(job, asked));
  } finally {
    await store.close();
  }
}

function jobsOn(config: Config, store: Parameters<typeof upkeepJobs>[1]): Jobs {
  return upkeepJobs(config, store, () => {});
}

function progressOf(jobs: Jobs, job: JobName): Progress | undefined {
  return jobs.status()[job].running ?? undefined;
}

function parseDays(text: string): number {
  const days = /^\d{1,6}(\.\d{1,9})?$/.test(text) ? Number(text) : 0;
  if (days > 0 && days <= MAX_DAYS) return days;
  const message = `--days: expected a number above 0, at most ${MAX_DAYS}; got ${JSON.stringify(text)}`;
  throw new PatterndError("usage", message);
}

function textOf(report: JobReport, backend: string, width: number): string {
  const { dry_run, shares } = report;
  const words = report.job === "retention" ? deletionText(report) : compressionText(report, backend);
  if (!dry_run || shares.length === 0) return words;
  const rows = shares.map(({ day, type, patterns, bytes }) => [day, type, grouped(patterns), grouped(bytes)]);
  return `${layOut(["day", "type", "patterns", "bytes, about"], rows, width)}\n${words}`;
}

function deletionText({ dry_run, patterns, shares, bytes_before, bytes_after }: JobReport): string {
  const of = counted(patterns, "pattern");
  if (dry_run) {
    const bytes = shares.reduce((sum, share) => sum + share.bytes, 0);
    return patterns === 0
      ? "nothing is old enough: nothing would be deleted"
      : `${of} would be deleted, about ${counted(bytes, "byte")} of ${grouped(bytes_before)}`;
  }
  return `${of} deleted; the store has ${counted(bytes_after, "byte")}, ${grouped(bytes_before)} before`;
}

function compressionText({ dry_run, files, bytes_before, bytes_after }: JobReport, backend: string): string {
  if (dry_run) {
    if (backend === "sqlite") return "SQLite has no files to compress; its own housekeeping would run";
    return files === 0 ? "there are no files to compress" : `${counted(files, "file")} would be compressed`;
  }
  const done = files === 0 ? "there were no files to compress" : `${counted(files, "file")} compressed`;
  return `${done}; the store has ${counted(bytes_after, "byte")}, ${grouped(bytes_before)} before`;
}
