import { type Migrated, type MigrateOptions, migrate as migrateStore } from "../store/migrate.ts";
import { parsePlace, type StorageOptions } from "./options.ts";

/** A store as `open` takes it: `filesystem` if no backend is said, a path relative to the working directory. */
export type MigrationPlace = Pick<StorageOptions, "backend" | "path">;

/**
 * Copies every line of a store into another one and compares the two. Both must be closed; killed or done, it may be
 * run again.
 *
 * @throws PatterndError `bad_request`, `backend_unknown`; `migration_differs` with the first difference, before
 * anything is written or after all was; what opening a store throws (`store_not_found` for a source that is not there).
 */
export async function migrate(
  from: MigrationPlace,
  to: MigrationPlace,
  options: MigrateOptions = {},
): Promise<Migrated> {
  return migrateStore(parsePlace(from), parsePlace(to), options);
}
