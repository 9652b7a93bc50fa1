/** Recognises what is to be imported, and reads it record by record. */
import { createReadStream, type Dirent, existsSync } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { messageOf, PatterndError } from "../errors.ts";
import { numberedFrames } from "../ingest/numbered.ts";
import { METADATA_FILE } from "../store/filesystem/layout.ts";
import { type RecordText, readDocument, readList } from "./document.ts";
import { rowsOf } from "./python-sqlite.ts";
import type { Found, Origin } from "./record.ts";

const SQLITE_MAGIC = Buffer.from("SQLite format 3\0");
const GZIP_MAGIC = "\x1f\x8b";
/** The library's own list of files, which is wrong after its compression. */
const INDEX_FILE = "index.json";
const BYTE_ORDER_MARK = Buffer.from("\uFEFF");
/** So much of a content is looked at, at most, to tell what it is. */
const LOOK_BYTES = 64 * 1024;
/** Of documents by name, and of what has none: there a line of NDJSON may be anything, such as `[INFO] ready`. */
const LIST = /^\s*\[/;
const LIST_OF_RECORDS = /^\s*\[\s*[{\]]/;

/** What can be read once, from its beginning to its end, such as standard input. */
export interface NamedStream {
  readonly name: string;
  readonly content: AsyncIterable<Buffer>;
}

export interface ReadOptions {
  /** Of a line; a record in a file of its own may have four times as many, since it is laid out. */
  readonly maxBytes: number;
  /** A file in a folder that this import writes itself: to read it would have no end. */
  readonly isOwn: (file: string) => boolean;
}

/**
 * Everything in a file or folder, folders in the order of their names. What can't be read inside of a folder is
 * said and does not end it.
 *
 * @throws PatterndError `file_unreadable`, `import_unusable` if it is `source` itself that is no use.
 */
async function* recordsOf(source: string, options: ReadOptions): AsyncGenerator<Found> {
  const what = await stat(source).catch((cause: unknown) => {
    throw new PatterndError("file_unreadable", `${source} can't be read: ${messageOf(cause)}`, { cause });
  });
  if (what.isDirectory()) {
    if (isOwnStore(source)) {
      throw new PatterndError("import_unusable", `${source} is a store of patternd`, {
        hint: `Copy it with: patternd migrate --from filesystem:${source} --to …`,
      });
    }
    yield* folder(source, options);
  } else if (what.isFile()) yield* file(source, options.maxBytes, true);
  else yield* stream(source, formOf(source), options.maxBytes);
}

/** The same, looked at already: what can be told to be no use at all has been thrown. */
export async function openRecords(
  source: string | NamedStream,
  options: ReadOptions,
): Promise<AsyncGenerator<Found>> {
  const isNamed = typeof source === "string";
  const records = isNamed ? recordsOf(source, options) : recordsIn(source, "unknown", options.maxBytes);
  const first = await records.next();
  async function* all(): AsyncGenerator<Found> {
    if (first.done) return;
    yield first.value;
    yield* guarded(isNamed ? source : source.name, records);
  }
  return all();
}

async function* folder(path: string, options: ReadOptions): AsyncGenerator<Found> {
  const entries = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    throw new PatterndError("file_unreadable", `${path} can't be read: ${messageOf(cause)}`, { cause });
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const inner = join(path, entry.name);
    if (entry.isDirectory() && !isOwnStore(inner)) {
      yield* guarded(inner, folder(inner, options));
    } else if (entry.isFile() && !options.isOwn(inner)) {
      if (entry.name !== INDEX_FILE) yield* guarded(inner, file(inner, options.maxBytes));
    } else yield { kind: "passed_over", file: inner, message: `${inner} is ${otherwise(entry)}` };
  }
}

function otherwise(entry: Dirent): string {
  if (entry.isDirectory()) return "a store of patternd";
  if (entry.isFile()) return "where this import keeps what it refuses";
  return entry.isSymbolicLink() ? "a link" : "neither a file nor a folder";
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
  yield* stream(path, form, maxBytes);
}

/** Opened once: what was read of a pipe is not there a second time. */
async function* stream(path: string, form: Form, maxBytes: number): AsyncGenerator<Found> {
  const content = createReadStream(path);
  try {
    yield* recordsIn({ name: path, content }, form, maxBytes);
  } finally {
    content.destroy();
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
    const { head, content } = await unpacked(await begun(source.content));
    if (head.startsWith(SQLITE_MAGIC.toString("latin1"))) throw new Error("a database has to be a file");
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

interface Begun {
  /** As much of the content as tells what it is, each byte as a character. */
  readonly head: string;
  /** All of it. */
  readonly content: AsyncIterable<Buffer>;
}

async function unpacked(begin: Begun): Promise<Begun> {
  if (!begin.head.startsWith(GZIP_MAGIC)) return begin;
  const plain = createGunzip();
  // A failure to read or to unpack reaches whoever reads `plain`.
  pipeline(Readable.from(begin.content), plain, () => {});
  return begun(plain);
}

/** Both without a byte order mark. */
async function begun(input: AsyncIterable<Buffer>): Promise<Begun> {
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
