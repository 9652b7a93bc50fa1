/** Commands that ask a daemon about itself and what it holds, by commander. */
import { Argument, type Command } from "commander";
import * as v from "valibot";
import { completionOf, SHELLS } from "./completion.ts";
import { filterFlags, withFilters } from "./filters.ts";

const text = v.optional(v.string());
const asking = { config: text, socket: text, json: v.optional(v.boolean(), false) };
const askFlags = v.object(asking);
const tailFlags = v.object({
  ...asking,
  ...v.omit(filterFlags, ["until", "cursor"]).entries,
  follow: v.optional(v.boolean(), false),
});

/** @param withAsking adds what every command has that asks a daemon. */
export function addAsking(
  program: Command,
  done: (status: number) => void,
  withAsking: (command: Command, json?: string) => Command,
): void {
  withFilters(withAsking(program.command("tail")), "10", ["--until", "--cursor"])
    .description("print the newest patterns, the newest last, and with -f those that come")
    .option("-f, --follow", "go on with each pattern as it is stored")
    .addHelpText("after", TAIL_EXAMPLES)
    .action(async (flags: unknown) =>
      done(await (await import("./tail.ts")).tail(v.parse(tailFlags, flags))),
    );
  withAsking(program.command("stats"), "print one JSON object, on a terminal too")
    .description("say how much is stored, of what, since when")
    .action(async (flags: unknown) =>
      done(await (await import("./stats.ts")).stats(v.parse(askFlags, flags))),
    );
  withAsking(program.command("status"), "print one JSON object, on a terminal too")
    .description("say how the daemon is: exit status 0 ready, 1 degraded, 3 no daemon")
    .action(async (flags: unknown) =>
      done(await (await import("./status.ts")).status(v.parse(askFlags, flags))),
    );
  withAsking(program.command("doctor"), "print each look as a JSON object")
    .description("look for the usual troubles, and say what to do about them")
    .action(async (flags: unknown) =>
      done(await (await import("./doctor/doctor.ts")).doctor(v.parse(askFlags, flags))),
    );
  program
    .command("completion")
    .description("print what a shell needs to complete this command")
    .addArgument(new Argument("<shell>", "which").choices(SHELLS))
    .addHelpText("after", COMPLETION_EXAMPLES)
    .action(async (shell: string) => {
      const known = SHELLS.find((one) => one === shell) ?? "bash";
      await (await import("./terminal.ts")).print(completionOf(program, known));
    });
}

const TAIL_EXAMPLES = `
Examples:
  patternd tail -f                                 everything, as it is stored
  patternd tail -f --failed --agent builder        what fails for one agent
  patternd tail --limit 50 --type error_occurrence
  patternd tail -f --json | jq -r .data.error_message`;

const COMPLETION_EXAMPLES = `
Examples:
  patternd completion bash > ~/.local/share/bash-completion/completions/patternd
  patternd completion zsh > ~/.zfunc/_patternd     (a folder of your fpath)
  patternd completion fish > ~/.config/fish/completions/patternd.fish`;
