import Database from "better-sqlite3";

/** Runs statements on a file, as somebody else's program would. */
export function sql(file: string, ...statements: string[]): unknown[] {
  const db = new Database(file);
  try {
    for (const statement of statements.slice(0, -1)) db.exec(statement);
    const last = db.prepare(statements.at(-1) ?? "");
    return last.reader ? last.raw().all() : [last.run().changes];
  } finally {
    db.close();
  }
}
