/**
 * A database is copied page by page from one snapshot: a read transaction stays open meanwhile, so that what others
 * commit neither changes the pages nor makes SQLite begin again, as it does without one. The price is that the
 * WAL can't be begun anew as long as that takes.
 *
 * This must not be done in a thread beside a writer by other means than SQLite's: closing any descriptor of the
 * database drops the locks of every connection of the process (https://www.sqlite.org/howtocorrupt.html, 2.2).
 */
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { PatterndError } from "../../errors.ts";
import type { BackupProgress, Copied, Copier } from "../backup.ts";
import { isTaken, syncPath } from "../durable.ts";
import { type Connection, type Driver, loadDriver } from "./driver.ts";
import { COMPANIONS, isStore, openReader, storeFile } from "./file.ts";
import { MIGRATIONS } from "./schema.ts";

type Tell = (progress: BackupProgress) => void;

/** Copied in one go, between which the progress is told: 8 MiB. */
const STEP_PAGES = 1000;

export const sqliteCopier: Copier = {
  target: storeFile,
  obstacle: (target) => ["", ...COMPANIONS].map((suffix) => target + suffix).find(isTaken),
  copy,
};

const integer = v.pipe(v.number(), v.integer());

async function copy(from: string, folder: string, tell: Tell): Promise<Copied> {
  const driver = await loadDriver();
  const file = storeFile(from);
  if (!isStore(driver, file, MIGRATIONS)) {
    throw new PatterndError("store_not_found", `there is no store at ${file}`);
  }
  const made = join(folder, "store.db");
  // SQLite keeps the mode of what it finds.
  writeFileSync(made, "", { mode: 0o600, flag: "wx" });
  const wanted = await copyPages(openReader(driver, file), made, tell);
  leaveWal(driver, made);
  syncPath(made);
  const bytes = statSync(made).size;
  tell({ phase: "verify", bytes: 0 });
  const patterns = verify(driver, made);
  if (patterns !== wanted) {
    throw new PatterndError("backup_failed", `the copy has ${patterns} patterns of ${wanted}`);
  }
  tell({ phase: "verify", bytes });
  return { made, patterns, bytes };
}

/** Closes the connection. Returns how many patterns the snapshot has. */
async function copyPages(db: Connection, made: string, tell: Tell): Promise<number> {
  try {
    db.exec("BEGIN");
    // The snapshot is that of the first reading.
    const patterns = countPatterns(db);
    const pageBytes = v.parse(integer, db.pragma("page_size", { simple: true }));
    await db.backup(made, {
      progress({ totalPages, remainingPages }) {
        tell({ phase: "copy", bytes: (totalPages - remainingPages) * pageBytes });
        return STEP_PAGES;
      },
    });
    return patterns;
  } finally {
    db.close();
  }
}

/** Without a WAL a database can be read where nothing can be written; who opens it to write turns that on again. */
function leaveWal(driver: Driver, made: string): void {
  const db = new driver(made);
  try {
    db.pragma("journal_mode = DELETE");
  } finally {
    db.close();
  }
}

/** @throws PatterndError `backup_failed` if SQLite finds damage. */
function verify(driver: Driver, made: string): number {
  const db = openReader(driver, made);
  try {
    const said = db.pragma("quick_check(1)", { simple: true });
    if (said !== "ok") throw new PatterndError("backup_failed", `the copy is damaged: ${String(said)}`);
    return countPatterns(db);
  } finally {
    db.close();
  }
}

function countPatterns(db: Connection): number {
  return v.parse(integer, db.prepare("SELECT count(*) FROM patterns").pluck().get());
}
