import { readFileSync } from "node:fs";

/** Beside the built program. */
export const HELP_FILE = new URL("./help.txt", import.meta.url);

/** What the build kept, as wide as where nobody knows the terminal's width; undefined where it was not there. */
export function keptHelp(): string | undefined {
  try {
    return readFileSync(HELP_FILE, "utf8");
  } catch {
    return undefined;
  }
}
