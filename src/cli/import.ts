import { resolve } from "node:path";
import { type Config, loadConfig } from "../config/load.ts";
import { PatternParser } from "../pattern/parse.ts";
import { Zone } from "../pattern/zone.ts";
import type { Backend, StoreRepair } from "../store/backend.ts";
import { openStore, type StorePlace } from "../store/open.ts";
import { readUpkeepFile, writeUpkeepFile } from "../store/upkeep-file.ts";
import { importRecords } from "../transfer/import.ts";
import { KeptRecords } from "../transfer/kept.ts";
import type { Found } from "../transfer/record.ts";
import { ImportReport, type Listed } from "../transfer/report.ts";
import { openRecords } from "../transfer/sources.ts";
import { withImport } from "../upkeep/state.ts";
import type { ImportAnswer } from "./answers.ts";
import { standardInput } from "./input.ts";
import { configuredPlace, parsePlace, placeText } from "./place.ts";
import { counted, grouped, progress } from "./progress.ts";
import { print, printable, say } from "./terminal.ts";

/** For a person; `--json` names more. */
const NAMED = 20;

/** `patternd import SRC`: 1 if anything that was found is not in the store afterwards, or nothing was found. */
export async function importFrom(
  source: string,
  flags: { config?: string | undefined; json: boolean; to?: string | undefined },
): Promise<number> {
  const config = loadConfig({ file: flags.config, env: process.env });
  const to = flags.to === undefined ? configuredPlace(config) : parsePlace("--to", flags.to);
  const name = source === "-" ? "standard input" : resolve(source);
  const input = source === "-" ? { name, content: standardInput() } : name;
  // Looked at first: a slip of the pen must not create a store.
  const now = new Date();
  const kept = new KeptRecords(config.rejected.path, now);
  const records = await openRecords(input, {
    maxBytes: config.ingest.maxLineBytes,
    isOwn: (file) => kept.isIn(file),
  });
  const store = await openStore(to.backend, {
    path: to.path,
    durability: config.durability,
    timezone: config.timezone,
    readOnly: false,
    holder: "patternd import",
    onRepair: sayRepair,
  });
  try {
    // First, since an import may end anywhere: what it brings is not deleted unannounced.
    writeUpkeepFile(to, withImport(readUpkeepFile(to)));
    const report = new ImportReport(store.metadata.timezone, config.retention, now);
    const keptIn = await run(records, store, { config, report, kept });
    const summary: ImportAnswer = {
      source: name,
      store: placeText(to),
      kept_in: keptIn,
      ...report.summary(),
    };
    await print(flags.json ? `${JSON.stringify(summary)}\n` : textOf(summary, name, to, config));
    return report.isWhole ? 0 : 1;
  } finally {
    await store.close();
  }
}

/** A write that a crash cut short, found while opening a store. */
export function sayRepair({ file, bytes, keptAs }: StoreRepair): void {
  say(`${file} ended in ${counted(bytes, "byte")} of an unfinished write, kept in ${keptAs}`);
}

interface Run {
  readonly config: Config;
  readonly report: ImportReport;
  readonly kept: KeptRecords;
}

/** Returns the file that holds what was refused, if anything was. */
async function run(records: AsyncIterable<Found>, store: Backend, { config, report, kept }: Run) {
  const zone = new Zone(store.metadata.timezone);
  let file: string | undefined;
  try {
    await importRecords(records, store, {
      parser: new PatternParser({ zone, types: config.types }),
      zone,
      maxLineBytes: config.ingest.maxLineBytes,
      report,
      keep: (origin, line) => kept.keep(origin, line),
      onProgress: progress(() => `${counted(report.records, "record")} read`),
    });
  } finally {
    file = kept.close();
  }
  return file;
}

function textOf(summary: ImportAnswer, source: string, to: StorePlace, config: Config): string {
  const { records, imported, already_there, refused, renamed, unreadable, passed_over, retention } = summary;
  const lines = [
    `${counted(records, "record")} in ${source}`,
    `${counted(imported, "pattern")} imported into ${placeText(to)}, ${grouped(already_there)} there already, ${grouped(refused.count)} refused`,
    ...(summary.forgotten === undefined
      ? []
      : [`${counted(summary.forgotten, "record")} left out, since they were forgotten`]),
    ...summary.notes.map(
      ({ note, count, example }) => `${counted(count, "record")}: ${note} (such as ${example})`,
    ),
    ...listed("kept under another id, since there is another record of theirs", renamed, (one) => {
      return `${one.source}: ${one.pattern_id} is ${one.kept_as}`;
    }),
    ...listed(`refused, and kept in ${summary.kept_in ?? ""}`, refused, (one) => {
      return `${one.source}: ${one.code}${one.path === undefined ? "" : ` ${one.path}`}: ${one.message}`;
    }),
    ...listed("that can't be read", unreadable, (one) => one.message),
    ...listed("passed over", passed_over, (one) => one.message),
  ];
  if (retention) {
    lines.push(
      `${grouped(retention.older)} of these records are older than retention allows (retention.days is ${config.retention.days}): ` +
        `the next run (${config.retention.schedule}) plans to delete them, ${config.retention.graceHours} hours later at the earliest.`,
      `To keep them, put into ${config.file ?? "the configuration"}: ${JSON.stringify(retention.keep).slice(1, -1)}`,
    );
  }
  return lines.map((line) => `${printable(line)}\n`).join("");
}

function listed<T>(what: string, { count, first }: Listed<T>, text: (item: T) => string): string[] {
  if (count === 0) return [];
  const named = first.slice(0, NAMED).map((item) => `  ${text(item)}`);
  const more = count > named.length ? [`  and ${grouped(count - named.length)} more`] : [];
  return [`${grouped(count)} ${what}:`, ...named, ...more];
}
