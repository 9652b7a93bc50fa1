import { readdirSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { messageOf, PatterndError, systemCode } from "../../errors.ts";
import type { OpenOptions, StoreMetadata } from "../backend.ts";
import { makeFolder, writeFileDurably } from "../durable.ts";
import { readPlainFile } from "../plain-file.ts";
import { LOCK_FILE, METADATA_FILE } from "./layout.ts";

/** The newest layout that this program reads and writes. */
export const FORMAT = 1;
const APPLICATION = "patternd";

const metadataSchema = v.looseObject({
  application: v.literal(APPLICATION),
  format: v.pipe(v.number(), v.integer(), v.minValue(1)),
  timezone: v.string(),
  created: v.string(),
});

/** @throws PatterndError `store_foreign`, `store_newer`, `store_failed`; undefined if there is no store (a folder that is empty or missing). */
export function readMetadata(root: string): StoreMetadata | undefined {
  const file = join(root, METADATA_FILE);
  let text: string;
  try {
    text = readPlainFile(file).toString("utf8");
  } catch (error) {
    if (systemCode(error) !== "ENOENT" && systemCode(error) !== "ENOTDIR") throw error;
    refuseForeign(root);
    return undefined;
  }
  const metadata = v.safeParse(metadataSchema, parseJson(file, text));
  if (!metadata.success) throw new PatterndError("store_foreign", `${file} was not written by patternd`);
  const { format, timezone } = metadata.output;
  if (format > FORMAT) {
    throw new PatterndError(
      "store_newer",
      `${root} has format ${format}; this program knows formats up to ${FORMAT}`,
    );
  }
  return { format, timezone };
}

export function createMetadata(root: string, options: OpenOptions): StoreMetadata {
  makeFolder(root);
  const metadata = { format: FORMAT, timezone: options.timezone };
  const text = JSON.stringify(
    { application: APPLICATION, ...metadata, created: new Date().toISOString() },
    null,
    2,
  );
  writeFileDurably(join(root, METADATA_FILE), `${text}\n`);
  return metadata;
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PatterndError("store_foreign", `${file} is not JSON: ${messageOf(cause)}`, { cause });
  }
}

/** A folder with anything in it that patternd did not make is somebody else's. */
function refuseForeign(root: string): void {
  let names: string[];
  try {
    names = readdirSync(root);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    if (systemCode(error) === "ENOTDIR") {
      throw new PatterndError("store_foreign", `${root} is a file; a filesystem store is a folder`, {
        hint: "Name the folder, or the backend that the file is a store of (sqlite).",
      });
    }
    throw new PatterndError("store_failed", `can't read ${root}: ${messageOf(error)}`, { cause: error });
  }
  const foreign = names.filter((name) => name !== LOCK_FILE && name !== `${METADATA_FILE}.new`);
  if (foreign.length === 0) return;
  const what = foreign.includes("index.json") ? "a store of the Python library" : "not a store of patternd";
  throw new PatterndError("store_foreign", `${root} is not empty and ${what} (${METADATA_FILE} is missing)`, {
    hint: `Choose another path for the store, then bring its patterns in with: patternd import ${root}`,
  });
}
