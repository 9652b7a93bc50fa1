#!/usr/bin/env -S MALLOC_MMAP_THRESHOLD_=262144 node --max-semi-space-size=1
/**
 * What the package's command starts with, in one file with all that `emit` needs (bundle.mjs): agents run it for every
 * step, and most of the time went into loading forty small files. `--help` and `start` have one each.
 */
import { runCommand } from "./command.ts";

const args = process.argv.slice(2);
const [first = "--help"] = args;

/** Of one file with all that it needs. */
async function load(file: string): Promise<void> {
  // What emit does not need is not loaded for it.
  const { createRequire } = await import("node:module");
  createRequire(import.meta.url)(file);
}

if (first === "emit") runCommand(args);
else if (["--help", "-h", "help", "--version", "-V"].includes(first)) load("../help.cjs");
else if (first === "start") load("../daemon.cjs");
else import("./main.ts");
