#!/usr/bin/env -S MALLOC_MMAP_THRESHOLD_=262144 node --max-semi-space-size=1
/**
 * What the package's command starts with, in one file with all that `emit` needs (bundle.mjs): agents run it for every
 * step, and most of the time went into loading forty small files.
 */
import { createRequire } from "node:module";
import { runCommand } from "./command.ts";

const args = process.argv.slice(2);
const [first = "--help"] = args;
const isQuick = ["emit", "--help", "-h", "help", "--version", "-V"].includes(first);
if (isQuick) runCommand(args);
else if (first === "start") createRequire(import.meta.url)("../daemon.cjs");
else import("./main.ts");
