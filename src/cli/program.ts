/** Every command but `emit`, by commander. Each command's code is loaded when it is asked for. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import * as v from "valibot";
import { PatterndError, USAGE_HINT } from "../errors.ts";
import { VERSION } from "../version.ts";
import { addAsking } from "./asking-commands.ts";
import { EMIT_HELP } from "./emit-flags.ts";
import { filterFlags, withFilters, withSelection } from "./filters.ts";
import { addRejected } from "./rejected-command.ts";
import { addUpkeep } from "./upkeep-command.ts";

const text = v.optional(v.string());
const common = { config: text, json: v.optional(v.boolean(), false) };
const asking = { ...common, socket: text };

const startFlags = v.object({ config: text });
const checkFlags = v.object(common);
const getFlags = v.object(asking);
const queryFlags = v.object({ ...asking, ...filterFlags.entries });
const analyzeFlags = v.object({
  ...v.omit(queryFlags, ["limit", "cursor"]).entries,
  all: v.optional(v.boolean(), false),
  markdown: v.optional(v.boolean(), false),
});
const importFlags = v.object({ ...common, to: text });
const exportFlags = v.object({ ...queryFlags.entries, format: v.picklist(["ndjson", "csv"]), out: text });
const checkStoreFlags = v.object({ ...common, store: text, repair: v.optional(v.boolean(), false) });
const flag = v.optional(v.boolean(), false);
const installFlags = v.object({ user: flag, system: flag, dryRun: flag, root: text });
const logsFlags = v.object({
  config: text,
  follow: flag,
  user: flag,
  lines: v.number(),
});
const migrateFlags = v.object({ ...common, from: v.string(), to: v.string() });

/**
 * Runs one command line, without `node` and the program's name.
 *
 * @param exitAtOnce for a second signal to `start`, which can't wait for anything.
 * @returns the exit status.
 */
export async function runProgram(
  args: readonly string[],
  exitAtOnce: (code: number) => void,
): Promise<number> {
  let status = 0;
  let words = "patternd";
  const program = build((code) => {
    status = code;
  }, exitAtOnce).hook("preAction", (_, command) => {
    words = wordsOf(command);
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return status;
  } catch (error) {
    // commander has said it already. Help and version that were asked for are no error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 64;
    if (error instanceof PatterndError && error.hint === USAGE_HINT)
      throw new PatterndError("usage", error.message, { cause: error, hint: `See \`${words} --help\`.` });
    throw error;
  }
}

/** As it is called: `patternd rejected list`. */
function wordsOf(command: Command): string {
  return command.parent ? `${wordsOf(command.parent)} ${command.name()}` : command.name();
}

function build(done: (status: number) => void, exitAtOnce: (code: number) => void): Command {
  const program = new Command("patternd")
    .description("A local daemon that remembers what coding agents did.")
    .version(VERSION)
    .exitOverride()
    .configureOutput({ outputError: (said, write) => write(`patternd: ${said.replace(/^error: /, "")}`) });

  withConfig(program.command("start"))
    .description("run the daemon in the foreground")
    .action(async (flags: unknown) =>
      done(await (await import("./start.ts")).start(v.parse(startFlags, flags), exitAtOnce)),
    );
  const emit = program
    .command("emit")
    .description("send patterns to the daemon, from flags or standard input");
  emit.helpInformation = () => EMIT_HELP;
  withJson(withConfig(program.command("validate")), "print each fault as a JSON object")
    .description("check NDJSON files, or standard input, by the daemon's rules")
    .argument("[file...]", "files of one pattern a line; - is standard input")
    .action(async (files: string[], flags: unknown) =>
      done(await (await import("./validate.ts")).validate(files, v.parse(checkFlags, flags))),
    );
  withFilters(withAsking(program.command("query")))
    .description("print patterns, newest first")
    .addHelpText("after", QUERY_EXAMPLES)
    .action(async (flags: unknown) =>
      done(await (await import("./query.ts")).query(v.parse(queryFlags, flags))),
    );
  withAsking(program.command("get"))
    .description("print one pattern")
    .argument("<id>", "its pattern_id")
    .action(async (id: string, flags: unknown) =>
      done(await (await import("./get.ts")).get(id, v.parse(getFlags, flags))),
    );
  withSelection(withAsking(program.command("analyze"), "print the report as one JSON object"))
    .description(
      "report errors, agents, tasks, corrections and tools of a period (default: the 7 days up to its end)",
    )
    .option("--all", "everything that is stored")
    .option("--markdown", "print the report as Markdown")
    .action(async (flags: unknown) =>
      done(await (await import("./analyze.ts")).analyze(v.parse(analyzeFlags, flags))),
    );
  withJson(withConfig(program.command("check-config")), "print the configuration in force")
    .description("check the configuration file without starting anything")
    .action(async (flags: unknown) =>
      done(await (await import("./check-config.ts")).checkConfig(v.parse(checkFlags, flags))),
    );
  addAsking(program, done, withAsking);
  addTransfer(program, done);
  addRejected(program, done, withAsking);
  addCare(program, done);
  addUpkeep(program, done, withAsking);
  addService(program, done);
  return program;
}

/** Ways in, out and across. */
function addTransfer(program: Command, done: (status: number) => void): void {
  withJson(withConfig(program.command("import")), "print the summary as one JSON object")
    .description("bring patterns in: a store of the Python library, NDJSON, JSON, or a folder of such")
    .argument("<source>", "a file or a folder; - is standard input, of NDJSON or one JSON list", namedPath)
    .option("--to <backend:path>", "into this store (default: the configured one)")
    .action(async (source: string, flags: unknown) =>
      done(await (await import("./import.ts")).importFrom(source, v.parse(importFlags, flags))),
    );
  withFilters(withAsking(program.command("export")), "all")
    .description("write patterns as NDJSON or CSV, newest first")
    .addOption(new Option("--format <format>", "which").choices(["ndjson", "csv"]).default("ndjson"))
    .option(
      "--out <file>",
      "into this file, packed if its name ends in .gz (default: standard output)",
      namedPath,
    )
    .action(async (flags: unknown) =>
      done(await (await import("./export.ts")).exportPatterns(v.parse(exportFlags, flags))),
    );
  withJson(withConfig(program.command("migrate")), "print the result as one JSON object")
    .description("copy a store into another one, and compare them")
    .requiredOption("--from <backend:path>", "such as filesystem:/var/lib/patternd/patterns")
    .requiredOption("--to <backend:path>", "such as sqlite:/var/lib/patternd/patterns.db")
    .action(async (flags: unknown) =>
      done(await (await import("./migrate.ts")).migrateStores(v.parse(migrateFlags, flags))),
    );
}

/** At home under systemd. */
function addService(program: Command, done: (status: number) => void): void {
  withConfig(program.command("logs"))
    .description("print the daemon's log, one short line an event")
    .argument("[file]", "this log; - is standard input (default: log.file, else the journal)", namedPath)
    .option("-f, --follow", "go on with what comes")
    .option("-n, --lines <count>", "begin with the last so many", numberOfLines, 100)
    .option("--user", "the journal of this user's own daemon")
    .action(async (file: string | undefined, flags: unknown) =>
      done(await (await import("./logs.ts")).logs(file, v.parse(logsFlags, flags))),
    );
  for (const [name, description] of [
    ["install", "install and start the systemd units"],
    ["uninstall", "stop and remove the systemd units; patterns stay"],
  ] as const) {
    program
      .command(name)
      .description(description)
      .option("--user", "for this user alone")
      .option("--system", "for the machine; as root")
      .option("--dry-run", "only say what would be done")
      .option("--root <folder>", "only the files, below this folder", namedPath)
      .action(async (flags: unknown) =>
        done(await (await import("./install.ts"))[name](v.parse(installFlags, flags))),
      );
  }
}

/** What keeps a store well. */
function addCare(program: Command, done: (status: number) => void): void {
  withJson(withConfig(program.command("backup")), "print the result as one JSON object")
    .description("copy the store, while the daemon writes to it or not")
    .argument("<dest>", "a path where nothing is yet", namedPath)
    .action(async (dest: string, flags: unknown) =>
      done(await (await import("./backup.ts")).backupStore(dest, v.parse(checkFlags, flags))),
    );
  withJson(withConfig(program.command("check-store")), "print each finding as a JSON object")
    .description("say whether the store is whole, and repair it")
    .option("--store <backend:path>", "check this store (default: the configured one)")
    .option("--repair", "repair what can be; the daemon must be stopped")
    .action(async (flags: unknown) =>
      done(await (await import("./check-store.ts")).checkStore(v.parse(checkStoreFlags, flags))),
    );
}

/** An empty one is a shell's variable that is not set, and would mean the working folder. */
function namedPath(path: string): string {
  if (path === "") throw new InvalidArgumentError("Expected a path.");
  return path;
}

function numberOfLines(count: string): number {
  if (!/^\d{1,9}$/.test(count)) throw new InvalidArgumentError("Expected a number of lines.");
  return Number(count);
}

function withConfig(command: Command): Command {
  return command.option("--config <file>", "configuration file", namedPath);
}

function withJson(command: Command, description: string): Command {
  return command.option("--json", description);
}

function withAsking(command: Command, json = "print NDJSON, on a terminal too"): Command {
  return withJson(withConfig(command), json).option(
    "--socket <path>",
    "the daemon's ingest socket, beside which the others are",
  );
}

const QUERY_EXAMPLES = `
Examples:
  patternd query --since 7d --type error_occurrence
  patternd query --since today --agent builder --failed --limit 20
  patternd query --where data.error_type=TypeError --tag backend
  patternd query --text "out of memory" --json | jq -r .timestamp`;
