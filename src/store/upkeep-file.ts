/** When deletion and compression ran last and what they have announced: a file of the store, beside a database. */
import { join } from "node:path";
import { systemCode } from "../errors.ts";
import { writeFileDurably } from "./durable.ts";
import { inOurTerms } from "./failure.ts";
import type { StorePlace } from "./open.ts";
import { readPlainFile } from "./plain-file.ts";
import { storeFile } from "./sqlite/file.ts";

/** In the folder of a store on files. */
export const UPKEEP_FILE = ".upkeep.json";

export function upkeepFile({ backend, path }: StorePlace): string {
  return backend === "filesystem" ? join(path, UPKEEP_FILE) : `${storeFile(path)}${UPKEEP_FILE}`;
}

/** Its text; undefined if there is none yet. @throws PatterndError `store_failed` */
export function readUpkeepFile(place: StorePlace): string | undefined {
  const file = upkeepFile(place);
  return inOurTerms(file, () => {
    try {
      return readPlainFile(file).toString("utf8");
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  });
}

/** For whoever holds the store's lock. Durable when it returns. @throws PatterndError `store_failed` */
export function writeUpkeepFile(place: StorePlace, text: string): void {
  const file = upkeepFile(place);
  inOurTerms(file, () => writeFileDurably(file, text));
}
