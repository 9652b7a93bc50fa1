/** `patternd delete-old`, `compress` and `forget`, by commander. */
import type { Command } from "commander";
import * as v from "valibot";
import { filterFlags, withFilters } from "./filters.ts";

const text = v.optional(v.string());
const flag = v.optional(v.boolean(), false);
const asking = { config: text, socket: text, json: flag };
const deleteFlags = v.object({ ...asking, days: text, dryRun: flag });
const compressFlags = v.object({ ...asking, dryRun: flag });
const forgetFlags = v.object({ ...asking, ...filterFlags.entries, dryRun: flag, yes: flag });

/** @param withAsking adds what every command has that asks a daemon. */
export function addUpkeep(
  program: Command,
  done: (status: number) => void,
  withAsking: (command: Command) => Command,
): void {
  withAsking(program.command("delete-old"))
    .description("delete what retention no longer keeps, now and to the second")
    .option(
      "--days <days>",
      "older than this many days (default: retention.days); retention.maxBytes is left out",
    )
    .option("--dry-run", "only say what would go, by day and type")
    .action(async (flags: unknown) =>
      done(await (await import("./jobs.ts")).deleteOld(v.parse(deleteFlags, flags))),
    );
  withAsking(program.command("compress"))
    .description("compress whole days that are older than compression.afterDays")
    .option("--dry-run", "only say what would be compressed, by day and type")
    .action(async (flags: unknown) =>
      done(await (await import("./jobs.ts")).compress(v.parse(compressFlags, flags))),
    );
  withFilters(withAsking(program.command("forget")), "all; not to be given here")
    .description("remove patterns for good, wherever patternd holds them; backups are untouched")
    .argument("[id...]", "their pattern_ids, besides what the filters mean")
    .option("--dry-run", "only say how much would go")
    .option("--yes", "don't ask")
    .action(async (ids: string[], flags: unknown) =>
      done(await (await import("./forget.ts")).forgetPatterns(ids, v.parse(forgetFlags, flags))),
    );
}
