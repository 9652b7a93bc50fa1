import { join } from "node:path";
import { systemCode } from "../../errors.ts";
import { writeFileDurably } from "../durable.ts";
import { readPlainFile } from "../plain-file.ts";
import { FORGOTTEN_FILE } from "./layout.ts";

/** The hashes of the ids that may not come back. */
export function readForgotten(root: string): string[] {
  try {
    return readPlainFile(join(root, FORGOTTEN_FILE)).toString("utf8").split("\n").filter(Boolean);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

export function addForgotten(root: string, hashes: readonly string[]): void {
  const all = [...readForgotten(root), ...hashes];
  writeFileDurably(join(root, FORGOTTEN_FILE), all.map((hash) => `${hash}\n`).join(""));
}
