/** Recognises what is to be imported, and reads it record by record. */
import { createReadStream, existsSync } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { createGunzip } from "node:zlib";
import { messageOf, PatterndError } from "../errors.ts";
import { numberedFrames } from "../ingest/numbered.ts";
import { METADATA_FILE } from "../store/filesystem/layout.ts";
import { rowsOf } from "./python-sqlite.ts";
import type { Found } from "./record.ts";

const SQLITE_MAGIC = Buffer.from("SQLite format 3\0");
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
/** The library's own list of files, which is wrong after its compression. */
const INDEX_FILE = "index.json";
const BYTE_ORDER_MARK = "\uFEFF";

/**
 * Everything in a file or folder, folders in the order of their names. What can't be read inside of a folder is
 * said and does not end it.
 *
 * @param maxBytes of a line, or of the text of one record in a file of its own.
 * @throws PatterndError `file_unreadable`, `import_unusable` if it is `source` itself that is no use.
 */
async function* recordsOf(source: string, maxBytes: number): AsyncGenerator<Found> {
  const what = await stat(source).catch((cause: unknown) => {
    throw new PatterndError("file_unreadable", `${source} can't be read: ${messageOf(cause)}`, { cause });
  });
  if (what.isDirectory()) {
    if (isOwnStore(source)) {
      throw new PatterndError("import_unusable", `${source} is a store of patternd`, {
        hint: `Copy it with: patternd migrate --from filesystem:${source} --to …`,
      });
    }
    yield* folder(source, maxBytes);
  } else yield* file(source, maxBytes, true);
}

/** The same, looked at already: what can be told to be no use at all has been thrown. */
export async function openRecords(source: string, maxBytes: number): Promise<AsyncGenerator<Found>> {
  const records = recordsOf(source, maxBytes);
  const first = await records.next();
  async function* all(): AsyncGenerator<Found> {
    if (first.done) return;
    yield first.value;
    yield* records;
  }
  return all();
}

async function* folder(path: string, maxBytes: number): AsyncGenerator<Found> {
  const entries = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    throw new PatterndError("file_unreadable", `${path} can't be read: ${messageOf(cause)}`, { cause });
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const inner = join(path, entry.name);
    if (entry.isDirectory() && !isOwnStore(inner)) {
      yield* guarded(inner, folder(inner, maxBytes));
    } else if (entry.isFile()) {
      if (entry.name !== INDEX_FILE) yield* guarded(inner, file(inner, maxBytes));
    } else {
      const message = entry.isDirectory() ? "a store of patternd" : "neither a file nor a folder";
      yield { kind: "passed_over", file: inner, message };
    }
  }
}

/** A fault of one file or folder among many. */
async function* guarded(path: string, records: AsyncGenerator<Found>): AsyncGenerator<Found> {
  try {
    yield* records;
  } catch (error) {
    if (!(error instanceof PatterndError)) throw error;
    const kind = error.code === "import_unusable" ? "passed_over" : "unreadable";
    yield { kind, file: path, message: error.message };
  }
}

/** `isNamed`: by the user, so that it is taken for NDJSON whatever it is called. */
async function* file(path: string, maxBytes: number, isNamed = false): AsyncGenerator<Found> {
  const head = await headOf(path);
  if (head.equals(SQLITE_MAGIC)) {
    yield* rowsOf(path);
    return;
  }
  const name = basename(path).replace(/\.gz$/, "");
  const isDocument = name.endsWith(".json");
  if (!isNamed && !isDocument && !/\.(ndjson|jsonl)$/.test(name)) {
    throw new PatterndError(
      "import_unusable",
      `${path} is neither .json, .ndjson, .jsonl nor an SQLite database`,
    );
  }
  const input = createReadStream(path);
  const isPacked = head.subarray(0, 2).equals(GZIP_MAGIC);
  const content = isPacked ? input.pipe(createGunzip()) : input;
  input.on("error", (error) => content.destroy(error));
  try {
    yield* isDocument ? document(path, content, maxBytes) : lines(path, content, maxBytes);
  } catch (cause) {
    throw new PatterndError("file_unreadable", `${path} can't be read: ${messageOf(cause)}`, { cause });
  } finally {
    input.destroy();
  }
}

/** A record of its own, over as many lines as its writer liked. Laid out, it is larger than its line will be. */
async function* document(
  path: string,
  content: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Found> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of content) {
    length += chunk.length;
    if (length > 4 * maxBytes) throw new Error(`more than ${4 * maxBytes} bytes`);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  const start = bytes.indexOf(BYTE_ORDER_MARK) === 0 ? Buffer.byteLength(BYTE_ORDER_MARK) : 0;
  yield { kind: "record", origin: { file: path }, bytes: bytes.subarray(start), precision: "full" };
}

async function* lines(path: string, content: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Found> {
  for await (const frames of numberedFrames(content, maxBytes)) {
    for (const { number, frame } of frames) {
      const record = { kind: "record", origin: { file: path, line: number }, precision: "full" } as const;
      if (frame.kind === "line") {
        yield { ...record, bytes: frame.bytes, unterminated: !frame.terminated };
      } else {
        const { length, sha256 } = frame;
        yield { ...record, bytes: frame.head, whole: { length, sha256 } };
      }
    }
  }
}

function isOwnStore(path: string): boolean {
  return existsSync(join(path, METADATA_FILE));
}

async function headOf(path: string): Promise<Buffer> {
  try {
    const handle = await open(path, "r");
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(SQLITE_MAGIC.length));
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new PatterndError("file_unreadable", `${path} can't be read: ${messageOf(cause)}`, { cause });
  }
}
