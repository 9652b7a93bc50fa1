/** The command as it is compiled, file by file. */
import { runCommand } from "./command.ts";

await runCommand(process.argv.slice(2));
