/** Part of the build: keeps what `patternd --help` says, which then needs no command to be loaded. */
import { writeFileSync } from "node:fs";
import { HELP_FILE } from "./help.ts";
import { helpText } from "./program.ts";

writeFileSync(HELP_FILE, helpText());
