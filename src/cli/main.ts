/** The command as it is compiled, file by file; `start` is run from one file with all that it needs (bundle.mjs). */
import { runCommand } from "./command.ts";

runCommand(process.argv.slice(2));
