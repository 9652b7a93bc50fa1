import { join } from "node:path";
import { PatterndError } from "../../errors.ts";
import { Zone } from "../../pattern/zone.ts";
import type { Backend, OpenOptions } from "../backend.ts";
import { makeFolder } from "../durable.ts";
import { inOurTerms } from "../failure.ts";
import { GuardedBackend } from "../guarded.ts";
import { lockStore } from "../lock.ts";
import { addForgotten, readForgotten } from "./forgotten-file.ts";
import { LOCK_FILE, METADATA_FILE } from "./layout.ts";
import { createMetadata, readMetadata } from "./metadata.ts";
import { SegmentReader } from "./reader.ts";
import { refusing } from "./refused.ts";
import { SegmentWriter } from "./writer.ts";

/**
 * Opens a store of day segments (layout.ts), creating it if there is none.
 *
 * @throws PatterndError `store_locked`, `store_of_another_user`, `store_foreign`, `store_newer`, `store_not_found`
 * (readOnly), `store_failed`.
 */
export async function openFilesystem(options: OpenOptions): Promise<Backend> {
  return inOurTerms(options.path, () =>
    options.readOnly ? openForReading(options) : openForWriting(options),
  );
}

function openForReading({ path }: OpenOptions): Backend {
  const metadata = readMetadata(path);
  if (!metadata) throw new PatterndError("store_not_found", `there is no store at ${path}`);
  const reader = new SegmentReader(path, new Zone(metadata.timezone));
  return new GuardedBackend({
    metadata,
    path,
    writer: undefined,
    get: (id) => reader.get(id),
    query: (filter, page) => reader.query(filter, page),
    stats: () => reader.stats(),
    countOlderThan: (cutoffs, of) => reader.countOlderThan(cutoffs, of),
    scan: (filter, visit) => reader.scan(filter, visit),
    close: () => {},
  });
}

function openForWriting(options: OpenOptions): Backend {
  const { path } = options;
  // Looked at before anything is written: what is not ours stays untouched.
  readMetadata(path);
  makeFolder(path);
  const lock = lockStore(join(path, METADATA_FILE), join(path, LOCK_FILE), options.holder ?? "patternd");
  try {
    const metadata = readMetadata(path) ?? createMetadata(path, options);
    const zone = new Zone(metadata.timezone);
    const reader = new SegmentReader(path, zone);
    const writer = new SegmentWriter(options, zone);
    return new GuardedBackend({
      metadata,
      path,
      writer: {
        write: (patterns) => refusing(patterns, () => writer.write(patterns)),
        deleteOlderThan: (cutoffs, onDeleted) => writer.deleteOlderThan(cutoffs, onDeleted),
        compress: (beforeDay) => writer.compress(beforeDay),
        remembered: () => readForgotten(path),
        remember: (hashes) => addForgotten(path, hashes),
        forget: (ids) => writer.forget(ids),
      },
      // The writer knows where each id stands.
      get: (id) => writer.get(id),
      query: (filter, page) => reader.query(filter, page),
      stats: () => reader.stats(),
      countOlderThan: (cutoffs, of) => reader.countOlderThan(cutoffs, of),
      scan: (filter, visit) => reader.scan(filter, visit),
      close: () => {
        writer.close();
        lock.release();
      },
    });
  } catch (error) {
    lock.release();
    throw error;
  }
}
