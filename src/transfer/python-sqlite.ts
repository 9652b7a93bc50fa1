/** The Python library's SQLite file: `data` and `context` as JSON text, `timestamp` as whole seconds since the epoch. */
import * as v from "valibot";
import { messageOf, PatterndError } from "../errors.ts";
import { compact } from "../pattern/json-text.ts";
import { loadDriver } from "../store/sqlite/driver.ts";
import { APPLICATION_ID, integerPragma } from "../store/sqlite/schema.ts";
import type { Found } from "./record.ts";

const COLUMNS = ["pattern_id", "pattern_type", "timestamp", "data", "context", "version"];
const columnSchema = v.array(v.object({ name: v.string() }));
const scalar = v.union([v.string(), v.number(), v.bigint(), v.null(), v.instance(Uint8Array)]);
const rowSchema = v.object({
  row: v.bigint(),
  pattern_id: scalar,
  pattern_type: scalar,
  timestamp: scalar,
  data: scalar,
  context: scalar,
  version: scalar,
});

type Row = v.InferOutput<typeof rowSchema>;
type Scalar = v.InferOutput<typeof scalar>;

/** @throws PatterndError `import_unusable` for a database of another kind, `sqlite_unavailable`, `file_unreadable`. */
export async function* rowsOf(file: string): AsyncGenerator<Found> {
  const driver = await loadDriver();
  const db = new driver(file, { readonly: true, fileMustExist: true });
  try {
    if (integerPragma(db, "application_id") === APPLICATION_ID) {
      throw new PatterndError("import_unusable", `${file} is a store of patternd`, {
        hint: `Copy it with: patternd migrate --from sqlite:${file} --to …`,
      });
    }
    const columns = v.parse(columnSchema, db.pragma("table_info(patterns)")).map(({ name }) => name);
    if (!COLUMNS.every((name) => columns.includes(name))) {
      throw new PatterndError(
        "import_unusable",
        `${file} is an SQLite database, but not the Python library's`,
      );
    }
    const select = `SELECT rowid AS row, ${COLUMNS.join(", ")} FROM patterns ORDER BY rowid`;
    for (const row of db.prepare(select).safeIntegers().iterate()) {
      const { row: number, ...cells } = v.parse(rowSchema, row);
      const bytes = Buffer.from(lineOf({ row: number, ...cells }), "utf8");
      const precision = typeof cells.timestamp === "bigint" ? "seconds" : "full";
      yield { kind: "record", origin: { file, line: Number(number) }, bytes, precision };
    }
  } catch (cause) {
    if (cause instanceof PatterndError) throw cause;
    throw new PatterndError("file_unreadable", `${file} can't be read: ${messageOf(cause)}`, { cause });
  } finally {
    db.close();
  }
}

/** A cell that is no JSON stays in the line as a string: the line is refused then, and nothing of it is lost. */
function lineOf({ pattern_id, pattern_type, timestamp, data, context, version }: Row): string {
  const members = [
    ["pattern_id", written(pattern_id)],
    ["pattern_type", written(pattern_type)],
    ["timestamp", written(typeof timestamp === "bigint" ? secondsText(timestamp) : timestamp)],
    ["data", embedded(data)],
    ["context", context === null ? undefined : embedded(context)],
    ["version", version === null ? undefined : written(version)],
  ];
  return `{${members.flatMap(([key, value]) => (value === undefined ? [] : `"${key}":${value}`)).join(",")}}`;
}

function secondsText(seconds: bigint): string | bigint {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? seconds : date.toISOString().replace(".000Z", "Z");
}

function embedded(cell: Scalar): string {
  if (typeof cell !== "string") return written(cell);
  try {
    JSON.parse(cell);
    return compact(cell);
  } catch {
    return JSON.stringify(cell);
  }
}

function written(cell: Scalar): string {
  if (typeof cell === "bigint") return String(cell);
  return JSON.stringify(cell instanceof Uint8Array ? Buffer.from(cell).toString("base64") : cell);
}
