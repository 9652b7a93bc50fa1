/** Whether the store can be read, is whole, and holds nothing from the future. */
import type { Config } from "../../config/load.ts";
import { messageOf, PatterndError } from "../../errors.ts";
import type { StoreStats } from "../../store/backend.ts";
import { checkerOf } from "../../store/check.ts";
import { kindOf } from "../../store/finding.ts";
import { openStore } from "../../store/open.ts";
import { configuredPlace, placeText } from "../place.ts";
import { counted } from "../progress.ts";
import { type Look, ok, trouble, warning } from "./finding.ts";

/** Larger stores take more than a moment to check. */
const CHECKED_BYTES = 64 * 1024 * 1024;
const MANY = 5;
const DAY_MS = 86_400_000;
/** Before this there was no patternd. */
const EARLIEST_MS = Date.UTC(2025, 0, 1);

export async function lookAtStore(config: Config): Promise<Look[]> {
  const place = placeText(configuredPlace(config));
  const { backend, path, durability, timezone } = config;
  let stats: StoreStats;
  try {
    const store = await openStore(backend, { path, durability, timezone, readOnly: true });
    try {
      stats = await store.stats();
    } finally {
      await store.close();
    }
  } catch (error) {
    if (error instanceof PatterndError && error.code === "store_not_found")
      return [ok("store", `${place} is not there yet: the daemon makes it`), lookAtClock(undefined)];
    const hint = error instanceof PatterndError ? error.hint : "Check its permissions and its disk.";
    return [trouble("store", messageOf(error), hint), lookAtClock(undefined)];
  }
  const held = `${place}: ${counted(stats.patterns, "pattern")}`;
  return [await wholeness(config, stats, held), lookAtClock(stats.newest)];
}

async function wholeness(config: Config, stats: StoreStats, held: string): Promise<Look> {
  if (stats.bytes > CHECKED_BYTES)
    return ok("store", `${held}, readable; \`patternd check-store\` says whether it is whole`);
  const findings: string[] = [];
  try {
    for await (const { kind, file } of (await checkerOf(configuredPlace(config))).check({
      patterns: 0,
      bytes: 0,
      onProgress: () => {},
    })) {
      if (kindOf(kind).isRemark) continue;
      findings.push(`${kind} in ${file}`);
      if (findings.length === MANY) break;
    }
  } catch (error) {
    return trouble("store", `${held}: ${messageOf(error)}`, "Check its permissions and its disk.");
  }
  if (findings.length === 0) return ok("store", `${held}, whole`);
  return trouble(
    "store",
    `${held}, not whole: ${findings.join("; ")}`,
    "`patternd check-store` says more; stop the daemon, then `patternd check-store --repair`.",
  );
}

function lookAtClock(newest: bigint | undefined): Look {
  const now = Date.now();
  const time = new Date(now).toISOString();
  const advice =
    "Set the clock (timedatectl): patterns are refused a day ahead of it, and retention goes by it.";
  if (now < EARLIEST_MS) return trouble("clock", `it is ${time} by this machine`, advice);
  if (newest !== undefined && Number(newest / 1_000_000n) > now + DAY_MS)
    return warning("clock", `it is ${time}, and the newest pattern is more than a day ahead of that`, advice);
  return ok("clock", time);
}
