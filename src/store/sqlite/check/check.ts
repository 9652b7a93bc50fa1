import { existsSync } from "node:fs";
import { PatterndError } from "../../../errors.ts";
import type { StoreChecker } from "../../finding.ts";
import { loadDriver } from "../driver.ts";
import { storeFile } from "../file.ts";
import { lookInto } from "./look.ts";
import { repairDatabase } from "./mend.ts";

/** @throws PatterndError `store_not_found`, `store_foreign`, `store_newer`, `sqlite_unavailable` */
export async function sqliteChecker(path: string): Promise<StoreChecker> {
  const driver = await loadDriver();
  const file = storeFile(path);
  if (!existsSync(file) && !existsSync(`${file}-wal`))
    throw new PatterndError("store_not_found", `there is no store at ${file}`);
  return {
    async *check(tally) {
      for (const { finding } of lookInto(driver, file, tally)) yield finding;
    },
    repair: () => repairDatabase(driver, file, () => lookInto(driver, file, { patterns: 0, bytes: 0 })),
  };
}
