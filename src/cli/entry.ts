#!/usr/bin/env -S node --max-semi-space-size=1
/**
 * What the package's command starts with, in one file with all that it needs (bundle.mjs): agents run `emit` for every
 * step, and most of the time went into loading forty small files.
 */
import { runCommand } from "./command.ts";

const args = process.argv.slice(2);
const [first = "--help"] = args;
const isQuick = ["emit", "--help", "-h", "help", "--version", "-V"].includes(first);
// The others have parts of their own: threads and packages that can't be in one file.
if (isQuick) runCommand(args);
else import("./main.ts");
