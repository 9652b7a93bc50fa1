/** Recognises what is to be imported, and reads it record by record. */
import { createReadStream, existsSync } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { createGunzip } from "node:zlib";
import { messageOf, PatterndError } from "../errors.ts";
import { numberedFrames } from "../ingest/numbered.ts";
import { METADATA_FILE } from "../store/filesystem/layout.ts";
import { type RecordText, readDocument, readList } from "./document.ts";
import { rowsOf } from "./python-sqlite.ts";
import type { Found, Origin } from "./record.ts";

const SQLITE_MAGIC = Buffer.from("SQLite format 3\0");
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
/** The library's own list of files, which is wrong after its compression. */
const INDEX_FILE = "index.json";
const BYTE_ORDER_MARK = Buffer.from("\uFEFF");
/** So much of a content is looked at, at most, to tell what it is. */
const LOOK_BYTES = 64 * 1024;
/** Of documents by name, and of what has none: there a line of NDJSON may be anything, such as `[INFO] ready`. */
const LIST = /^\s*\[/;
const LIST_OF_RECORDS = /^\s*\[\s*[{\]]/;

/** What comes without a name that could tell what it is, such as standard input. */
export interface NamedStream {
  readonly name: string;
  readonly content: AsyncIterable<Buffer>;
}

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
export async function openRecords(
  source: string | NamedStream,
  maxBytes: number,
): Promise<AsyncGenerator<Found>> {
  const isNamed = typeof source === "string";
  const records = isNamed ? recordsOf(source, maxBytes) : recordsIn(source, "unknown", maxBytes);
  const first = await records.next();
  async function* all(): AsyncGenerator<Found> {
    if (first.done) return;
    yield first.value;
    yield* guarded(isNamed ? source : source.name, records);
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
  const form = formOf(path);
  if (!isNamed && form === "unknown") {
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
    yield* recordsIn({ name: path, content }, form, maxBytes);
  } finally {
    input.destroy();
  }
}

type Form = "document" | "lines" | "unknown";

function formOf(path: string): Form {
  const name = basename(path).replace(/\.gz$/, "");
  if (name.endsWith(".json")) return "document";
  return /\.(ndjson|jsonl)$/.test(name) ? "lines" : "unknown";
}

async function* recordsIn(source: NamedStream, form: Form, maxBytes: number): AsyncGenerator<Found> {
  const { name } = source;
  try {
    const { head, content } = await begun(source.content);
    // Laid out over lines, a record is larger than its line will be.
    const most = 4 * maxBytes;
    if (form !== "lines" && (form === "document" ? LIST : LIST_OF_RECORDS).test(head)) {
      yield* elements(name, content, most);
    } else if (form === "document") {
      yield recordOf({ file: name }, await readDocument(content, most));
    } else yield* lines(name, content, maxBytes);
  } catch (cause) {
    throw new PatterndError("file_unreadable", `${name} can't be read: ${messageOf(cause)}`, { cause });
  }
}

/** A content with what it begins with, as text; both without a byte order mark. */
async function begun(input: AsyncIterable<Buffer>) {
  const chunks = input[Symbol.asyncIterator]();
  let first = Buffer.alloc(0);
  // Two bytes tell, and a mark before them has three.
  while (first.length < LOOK_BYTES && !/(\S\s*){5}/.test(first.toString("latin1"))) {
    const { done, value } = await chunks.next();
    if (done) break;
    first = Buffer.concat([first, value]);
  }
  if (first.indexOf(BYTE_ORDER_MARK) === 0) first = first.subarray(BYTE_ORDER_MARK.length);
  async function* content(): AsyncGenerator<Buffer> {
    yield first;
    yield* { [Symbol.asyncIterator]: () => chunks };
  }
  return { head: first.toString("latin1"), content: content() };
}

async function* elements(
  file: string,
  content: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Found> {
  const list = readList(content, maxBytes);
  for (let line = 1; ; line += 1) {
    const { done, value } = await list.next();
    if (!done) {
      yield recordOf({ file, line }, value);
      continue;
    }
    if (value !== undefined)
      yield { kind: "unreadable", file, message: `${file} can't be read whole: ${value}` };
    return;
  }
}

function recordOf(origin: Origin, text: RecordText): Found {
  return { kind: "record", origin, ...text, precision: "full" };
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
