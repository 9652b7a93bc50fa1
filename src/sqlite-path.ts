import { extname } from "node:path";

/** The file of an SQLite store that is named so: `.db` is added to a path without an extension. */
export function sqlitePath(path: string): string {
  return extname(path) === "" ? `${path}.db` : path;
}
