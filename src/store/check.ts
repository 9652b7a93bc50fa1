import type { StoreChecker } from "./finding.ts";
import type { StorePlace } from "./open.ts";

/** @throws PatterndError `store_not_found`, `store_foreign`, `store_newer`, `sqlite_unavailable` */
export async function checkerOf({ backend, path }: StorePlace): Promise<StoreChecker> {
  switch (backend) {
    case "filesystem":
      return (await import("./filesystem/check/check.ts")).filesystemChecker(path);
    case "sqlite":
      return (await import("./sqlite/check/check.ts")).sqliteChecker(path);
  }
}
