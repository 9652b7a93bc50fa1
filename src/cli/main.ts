#!/usr/bin/env -S node --max-semi-space-size=1
/** argv to command. The only place that ends the process. */
import { systemCode } from "../errors.ts";
import { exitStatusOf, say, sayError } from "./terminal.ts";

const [command, ...rest] = process.argv.slice(2);
/** A hook must never fail the agent that runs it, whatever goes wrong here. */
const isHook = command === "emit" && rest.includes("--hook");

process.stdout.on("error", (error) => {
  const isReaderGone = systemCode(error) === "EPIPE";
  if (!isReaderGone) say(`can't write the answer: ${error.message}`);
  process.exit(isReaderGone || isHook ? 0 : 1);
});
process.stderr.on("error", () => {});

const status = await run().catch((error: unknown) => {
  sayError(error);
  return exitStatusOf(error);
});
process.exitCode = isHook ? 0 : status;

/** Agents run `emit` for every step: it is not made to wait for what the other commands need. */
async function run(): Promise<number> {
  if (command === "emit") return (await import("./emit.ts")).emit(rest);
  const { runProgram } = await import("./program.ts");
  return runProgram(process.argv.slice(2), (code) => process.exit(code));
}
