/** `patternd rejected list` and `show`: the lines that were refused and are kept, read from their files. */
import * as v from "valibot";
import { type Config, loadConfig } from "../config/load.ts";
import { PatterndError } from "../errors.ts";
import { REJECTION_CODES, type RejectedFilter } from "../pattern/rejection.ts";
import { TIMESTAMP_FORM } from "../pattern/timestamp.ts";
import { Zone } from "../pattern/zone.ts";
import { keptNewestFirst } from "../queue/rejected/day-files.ts";
import type { KeptLine } from "../queue/rejected/kept-record.ts";
import { rejectedUnusable } from "../queue/rejected/replay.ts";
import { parseLimit } from "./filters.ts";
import { parseMoment, RELATIVE_FORM } from "./moment.ts";
import { counted } from "./progress.ts";
import type { AskFlags } from "./query.ts";
import { findDaemon } from "./source.ts";
import { layOut, localTime } from "./table.ts";
import { print, printable, say } from "./terminal.ts";

export const DEFAULT_REJECTED_LIMIT = 100;
const NAME_FORM = /^(\d{4}-\d{2}-\d{2})-[0-9a-f]{10}$/;
const DAY_NS = 86_400_000_000_000n;
/** A table's columns fit what is printed together. */
const TABLE_ROWS = 1_000;

export interface MeantFlags {
  readonly code?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Newest first: a table on a terminal, else the records, each with its name. */
export async function list(flags: AskFlags & MeantFlags & { limit?: string | undefined }): Promise<number> {
  const filter = meantBy(flags);
  const limit = flags.limit === undefined ? DEFAULT_REJECTED_LIMIT : parseLimit(flags.limit);
  const folder = await folderOf(flags);
  const isTable = process.stdout.isTTY && !flags.json;
  let damaged = 0;
  let shown = 0;
  let rows: KeptLine[] = [];
  const printRows = async () => {
    if (rows.length > 0) await print(`${tableOf(rows, process.stdout.columns)}\n`);
    rows = [];
  };
  for await (const kept of keptIn(folder, filter, () => (damaged += 1))) {
    if (shown === limit) {
      say(`there are older ones: --until ${kept.time} or a larger --limit`);
      break;
    }
    shown += 1;
    if (!isTable) await print(named(kept));
    else if (rows.push(kept) === TABLE_ROWS) await printRows();
  }
  await printRows();
  if (damaged > 0) say(`${counted(damaged, "damaged record")} passed over`);
  if (shown === 0) say(`no rejected lines in ${folder}`);
  return 0;
}

/** One record by its name, with the line: for people on a terminal, else as JSON. */
export async function show(name: string, flags: AskFlags): Promise<number> {
  const day = NAME_FORM.exec(name)?.[1];
  const start = day === undefined ? Number.NaN : Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(start)) {
    const message = `expected a name such as 2026-11-22-1f0c9a3b42, got ${JSON.stringify(name)}`;
    throw new PatterndError("usage", message, { hint: "`patternd rejected list` shows the names." });
  }
  const since = BigInt(start) * 1_000_000n;
  const folder = await folderOf(flags);
  for await (const kept of keptIn(folder, { since, until: since + DAY_NS - 1n })) {
    if (kept.name !== name) continue;
    await print(process.stdout.isTTY && !flags.json ? described(kept) : named(kept));
    return 0;
  }
  say(`there is no rejected line ${name} in ${folder}`);
  return 1;
}

/** @throws PatterndError `usage`. Times without a zone are this process's. */
export function meantBy({ code, since, until }: MeantFlags, now = new Date()): RejectedFilter {
  if (code !== undefined && !REJECTION_CODES.some((known) => known === code)) {
    throw new PatterndError("usage", `--code: expected one of ${REJECTION_CODES.join(", ")}, got ${code}`);
  }
  return {
    ...(code === undefined ? {} : { code }),
    ...(since === undefined ? {} : { since: moment("--since", since, "start", now) }),
    ...(until === undefined ? {} : { until: moment("--until", until, "end", now) }),
  };
}

/** Nanoseconds since the epoch. @throws PatterndError `usage` */
export function moment(flag: string, text: string, side: "start" | "end", now = new Date()): bigint {
  const instant = parseMoment(text, side, Zone.host(), now);
  if (instant !== undefined) return instant;
  const message = `${flag}: expected ${TIMESTAMP_FORM}, ${RELATIVE_FORM}; got ${JSON.stringify(text)}`;
  throw new PatterndError("usage", message);
}

const healthSchema = v.object({ rejected: v.object({ path: v.string() }) });

/** The running daemon's; without one the configured one, which is said. */
async function folderOf(flags: AskFlags): Promise<string> {
  const config: Config = loadConfig({ file: flags.config, env: process.env });
  const daemon = await findDaemon(config, "query", { env: process.env, socket: flags.socket, say });
  if (!daemon) {
    say(`no daemon answers; reading ${config.rejected.path}`);
    return config.rejected.path;
  }
  return v.parse(healthSchema, JSON.parse(daemon.health.body)).rejected.path;
}

/** @throws PatterndError `rejected_unusable` */
async function* keptIn(
  folder: string,
  filter: RejectedFilter,
  onDamaged: () => void = () => {},
): AsyncGenerator<KeptLine> {
  try {
    yield* keptNewestFirst(folder, filter, onDamaged);
  } catch (error) {
    throw rejectedUnusable(folder, error);
  }
}

function named({ name, text }: KeptLine): string {
  return `{"record":${JSON.stringify(name)},${text.slice(1)}\n`;
}

function tableOf(rows: readonly KeptLine[], width: number): string {
  const head = ["time", "record", "code", "path", "id", "message"];
  const cells = rows.map(({ time, name, code, path = "", patternId = "", message }) => [
    localTime(time),
    name,
    code,
    path,
    shortened(patternId),
    message,
  ]);
  return layOut(head, cells, width);
}

function shortened(id: string): string {
  return id.length <= 36 ? id : `${id.slice(0, 35).toWellFormed()}…`;
}

function described({ name, time, code, message, path, patternId, bytes, length, isWhole }: KeptLine): string {
  const part = isWhole ? "" : `, of which the first ${bytes.length} are kept: it can't be replayed`;
  const facts = [
    ["record", name],
    ["time", time],
    ["code", code],
    ["path", path],
    ["id", patternId],
    ["message", message],
    ["line", `${length} bytes${part}`],
  ];
  const lines = facts.flatMap(([fact, value]) =>
    value === undefined ? [] : [`${`${fact}:`.padEnd(9)}${printable(value)}`],
  );
  return `${lines.join("\n")}\n\n${printable(bytes.toString("utf8"))}\n`;
}
