/** `patternd rejected …`, by commander. */
import type { Command } from "commander";
import * as v from "valibot";
import { RELATIVE_FORM } from "./moment.ts";

const text = v.optional(v.string());
const flag = v.optional(v.boolean(), false);
const asking = { config: text, socket: text, json: flag };
const meant = { code: text, since: text, until: text };
const listFlags = v.object({ ...asking, ...meant, limit: text });
const showFlags = v.object(asking);
const replayFlags = v.object({ ...asking, ...meant, dryRun: flag });
const purgeFlags = v.object({ ...asking, code: text, before: text, yes: flag });

/** @param withAsking adds what every command has that asks a daemon. */
export function addRejected(
  program: Command,
  done: (status: number) => void,
  withAsking: (command: Command) => Command,
): void {
  const rejected = program.command("rejected").description("see, send again and remove rejected lines");
  withMeant(withAsking(rejected.command("list")))
    .description("print rejected lines, newest first")
    .option("--limit <count>", "at most this many (default: 100)")
    .action(async (flags: unknown) =>
      done(await (await import("./rejected.ts")).list(v.parse(listFlags, flags))),
    );
  withAsking(rejected.command("show"))
    .description("print one rejected line with all that is known of it")
    .argument("<record>", "its name, as list prints it")
    .action(async (name: string, flags: unknown) =>
      done(await (await import("./rejected.ts")).show(name, v.parse(showFlags, flags))),
    );
  withMeant(withAsking(rejected.command("replay")))
    .description("send rejected lines again; those that are stored now are no longer kept")
    .option("--dry-run", "only say what would be stored")
    .action(async (flags: unknown) =>
      done(await (await import("./rejected-orders.ts")).replay(v.parse(replayFlags, flags))),
    );
  withAsking(rejected.command("purge"))
    .description("remove rejected lines for good")
    .option("--code <code>", "only those with this code")
    .option("--before <time>", `only those from before this time: a date, a time, ${RELATIVE_FORM}`)
    .option("--yes", "without asking")
    .action(async (flags: unknown) =>
      done(await (await import("./rejected-orders.ts")).purge(v.parse(purgeFlags, flags))),
    );
}

function withMeant(command: Command): Command {
  return command
    .option("--code <code>", "lines with this code")
    .option("--since <time>", `lines from this time on: a date, a time, ${RELATIVE_FORM}`)
    .option("--until <time>", "up to this time; a date means that whole day");
}
