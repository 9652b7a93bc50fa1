import * as v from "valibot";
import { loadConfig } from "../config/load.ts";
import { PatterndError } from "../errors.ts";
import { keptNewestFirst } from "../queue/rejected/day-files.ts";
import type { KeptLine } from "../queue/rejected/kept-record.ts";
import type { AskFlags } from "./query.ts";
import { findDaemon } from "./source.ts";
import { localTime } from "./table.ts";
import { print, printable, say } from "./terminal.ts";

const DAY_MS = 86_400_000;
/** So many rejected lines are counted at most: a flood must not hold up an answer. */
const MOST_COUNTED = 100_000;

const count = v.number();
/** What is shown of `/health`; whatever else it says goes into `--json` as it is. */
export const healthSchema = v.looseObject({
  status: v.picklist(["ready", "degraded"]),
  reasons: v.array(v.string()),
  version: v.string(),
  pid: count,
  started: v.string(),
  store: v.object({ backend: v.string(), path: v.string(), timezone: v.string() }),
  connections: count,
  lines: v.looseObject({
    received: count,
    from_outbox: count,
    stored: count,
    replaced: count,
    superseded: count,
    rejected: count,
    not_collected: count,
    in_flight: count,
  }),
  rejected: v.object({ path: v.string(), files: count, bytes: count }),
  spool: v.object({ lines: count, bytes: count }),
});
export type HealthAnswer = v.InferOutput<typeof healthSchema>;

/** Rejected lines of the last 24 hours. `readable`: whether this user may read them at all. */
export const lastDaySchema = v.strictObject({
  readable: v.boolean(),
  /** More were rejected than are counted. */
  more: v.boolean(),
  by_code: v.record(v.string(), count),
  newest: v.nullable(
    v.strictObject({
      record: v.string(),
      time: v.string(),
      code: v.string(),
      message: v.string(),
      line: v.string(),
    }),
  ),
});
type LastDay = v.InferOutput<typeof lastDaySchema>;

/** What `patternd status --json` prints. */
export const statusSchema = v.looseObject({ ...healthSchema.entries, rejected_last_day: lastDaySchema });

/** `patternd status`: 0 if the daemon is ready, 1 if it is degraded, 3 if there is none. */
export async function status(flags: AskFlags): Promise<number> {
  const config = loadConfig({ file: flags.config, env: process.env });
  const daemon = await findDaemon(config, "query", { env: process.env, socket: flags.socket, say });
  if (!daemon) throw new PatterndError("daemon_unreachable", "no daemon answers");
  const health = v.parse(healthSchema, JSON.parse(daemon.health.body));
  const lastDay = await rejectedSince(health.rejected.path, Date.now() - DAY_MS);
  const isJson = flags.json || !process.stdout.isTTY;
  await print(
    isJson ? `${JSON.stringify({ ...health, rejected_last_day: lastDay })}\n` : described(health, lastDay),
  );
  return health.status === "ready" ? 0 : 1;
}

async function rejectedSince(folder: string, sinceMs: number): Promise<LastDay> {
  const byCode: Record<string, number> = {};
  let counted = 0;
  let newest: KeptLine | undefined;
  const answer = (readable: boolean, more: boolean): LastDay => ({
    readable,
    more,
    by_code: byCode,
    newest: newest ? exampleOf(newest) : null,
  });
  try {
    for await (const kept of keptNewestFirst(folder, { since: BigInt(sinceMs) * 1_000_000n }, () => {})) {
      if (counted === MOST_COUNTED) return answer(true, true);
      newest ??= kept;
      counted += 1;
      byCode[kept.code] = (byCode[kept.code] ?? 0) + 1;
    }
    return answer(true, false);
  } catch {
    return answer(false, false);
  }
}

function exampleOf({ name, time, code, message, bytes }: KeptLine): NonNullable<LastDay["newest"]> {
  return { record: name, time, code, message, line: bytes.subarray(0, 400).toString("utf8") };
}

function described(health: HealthAnswer, lastDay: LastDay): string {
  const { store, lines, spool, rejected } = health;
  const came = lines.received + lines.from_outbox;
  const facts = [
    ["status", health.status],
    ...health.reasons.map((reason) => ["", reason]),
    ["daemon", `patternd ${health.version}, process ${health.pid}, since ${localTime(health.started)}`],
    ["store", `${store.backend} ${store.path} (${store.timezone})`],
    [
      "lines",
      `${came} came, ${lines.stored} stored, ${lines.replaced} replaced, ${lines.superseded} superseded`,
    ],
    ["", `${lines.rejected} rejected, ${lines.not_collected} not collected, ${lines.in_flight} on their way`],
    ["spool", `${spool.lines} lines wait for the store, ${spool.bytes} bytes`],
    ["senders", `${health.connections} connected`],
    ...rejectedFacts(lastDay, rejected),
  ];
  return facts.map(([fact, value]) => `${fact?.padEnd(9)} ${printable(value ?? "")}\n`).join("");
}

function rejectedFacts(
  { readable, more, by_code, newest }: LastDay,
  kept: HealthAnswer["rejected"],
): string[][] {
  if (!readable) return [["rejected", `${kept.bytes} bytes in ${kept.path}, which this user may not read`]];
  const codes = Object.entries(by_code).sort(([, a], [, b]) => b - a);
  const counts = codes.map(([code, count]) => `${count} ${code}`).join(", ");
  if (!newest) return [["rejected", "nothing in the last day"]];
  return [
    ["rejected", `in the last day${more ? " at least" : ""}: ${counts}`],
    ["", `newest: ${newest.message}`],
    ["", newest.line.length > 160 ? `${newest.line.slice(0, 160)}…` : newest.line],
    ["", `patternd rejected show ${newest.record}`],
  ];
}
