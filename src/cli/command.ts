/** One command line from beginning to end. The only place, with its two entries, that ends the process. */
import { systemCode } from "../errors.ts";
import { exitStatusOf, ignoreLostListener, say, sayError } from "./terminal.ts";

/** The flags of emit that make it print something. */
const PRINTING = new Set(["--json", "--help", "-h"]);

/** Runs it and sets the exit status. `args`: without `node` and the program's name. */
export async function runCommand(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args;
  /** A hook must never fail the agent that runs it, whatever goes wrong here. */
  const isHook = command === "emit" && rest.includes("--hook");
  // To make the streams takes longer than to send a pattern, and emit says nothing as a rule.
  if (command !== "emit" || rest.some((flag) => PRINTING.has(flag))) watchOutput(isHook);
  const status = await run(args).catch((error: unknown) => {
    sayError(error);
    return exitStatusOf(error);
  });
  process.exitCode = isHook ? 0 : status;
}

function watchOutput(isHook: boolean): void {
  process.stdout.on("error", (error) => {
    const isReaderGone = systemCode(error) === "EPIPE";
    if (!isReaderGone) say(`can't write the answer: ${error.message}`);
    process.exit(isReaderGone || isHook ? 0 : 1);
  });
  ignoreLostListener();
}

/** Agents run `emit` for every step: it is not made to wait for what the other commands need. */
async function run(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  if (command === "emit") return (await import("./emit.ts")).emit(rest);
  const { runProgram } = await import("./program.ts");
  return runProgram(args, (code) => process.exit(code));
}
