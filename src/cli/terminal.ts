/** What the command writes: answers on stdout, words about them on stderr. */
import { once } from "node:events";
import { styleText } from "node:util";
import { PatterndError } from "../errors.ts";

/** Waits for a slow reader, so that memory stays bounded. A reader that has gone ends the process (command.ts). */
export async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, "drain");
}

let isIgnoring = false;

/** Who reads no words about what happens misses them: no reason to fail. */
export function ignoreLostListener(): void {
  if (isIgnoring) return;
  isIgnoring = true;
  process.stderr.on("error", () => {});
}

/** One line for a person. */
export function say(line: string): void {
  ignoreLostListener();
  process.stderr.write(`patternd: ${line}\n`);
}

/** An error in a line, and in a second one what to do about it. */
export function sayError(error: unknown): void {
  const known = asPatterndError(error);
  say(known.message);
  if (known.hint !== "") process.stderr.write(`${known.hint}\n`);
}

/** 64: wrong usage. 3: no daemon. 1: anything else. */
export function exitStatusOf(error: unknown): number {
  switch (asPatterndError(error).code) {
    case "usage":
    case "bad_request":
      return 64;
    case "daemon_unreachable":
      return 3;
    default:
      return 1;
  }
}

/** Only on a terminal that has colours, and whose user wants them (`NO_COLOR`, https://no-color.org). */
export function isColourful(): boolean {
  return process.stdout.isTTY && process.stdout.hasColors() && !process.env.NO_COLOR;
}

export function bold(text: string): string {
  return isColourful() ? styleText("bold", text) : text;
}

/** Text of patterns is anybody's: without this it could drive the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
}

function asPatterndError(error: unknown): PatterndError {
  if (error instanceof PatterndError) return error;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new PatterndError("internal", message, { cause: error });
}
