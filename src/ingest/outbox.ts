/**
 * The outbox: where emitters leave patterns while no daemon answers, one file an emission, renamed in when whole.
 * Files are taken in one after the other, at start, when the folder changes and by a slow scan, and removed when
 * every line is settled: a crash before that takes them in again, which changes nothing.
 */
import { randomUUID } from "node:crypto";
import { constants, type FSWatcher, type Stats, watch } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, PatterndError, systemCode } from "../errors.ts";
import { linesIn } from "../pattern/lines.ts";
import type { Sender, Settlement } from "../pattern/settlement.ts";
import type { Sink } from "./connection.ts";
import { entryOf } from "./entry.ts";
import { type Frame, LineFramer } from "./framing.ts";
import { UnfinishedBudget } from "./unfinished.ts";

const SCAN_MS = 10_000;
const CHUNK_BYTES = 256 * 1024;
const ASIDE = ".aside";
/** What emitters call a file until it is whole. One that is as old as this has lost its emitter. */
const UNFINISHED = /^\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;
const ABANDONED_MS = 3_600_000;

export interface OutboxOptions {
  readonly path: string;
  /** A larger file than this is no emission. */
  readonly maxBytes: number;
  readonly maxLineBytes: number;
  readonly sink: Sink;
  readonly onTaken: (file: { lines: number }) => void;
  /** An entry that is not taken in, and where it was moved to; undefined if it was removed, or could not be moved. */
  readonly onRefused: (entry: { name: string; reason: string; movedTo: string | undefined }) => void;
  readonly onFailed: (error: unknown) => void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  /** Names that could not be taken in, with the reason. They are left alone until the next slow scan. */
  readonly #failed = new Map<string, unknown>();
  /** Entries that can't be moved aside are said once. */
  readonly #stuck = new Set<string>();
  /** Files that are stored but could not be removed: their lines are not put again. */
  readonly #settled = new Map<string, Settled>();
  #watcher: FSWatcher | undefined;
  /** The folder that is watched, or could not be. */
  #watched: Stats | undefined;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();
  #isQueued = false;
  #isSlow = true;
  #isStopped = false;
  #failure: unknown;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the folder is there and watched; what is in it is taken in from then on.
   *
   * @throws PatterndError `outbox_unusable`.
   */
  async start(): Promise<void> {
    await makeFolder(this.#options.path);
    await this.#watch();
    this.#timer = setInterval(() => {
      this.#isSlow = true;
      this.#scan();
    }, SCAN_MS);
    this.#scan();
  }

  /** Why it, or a file in it, can't be taken in; undefined while all can. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Puts no further lines. The file that was being read stays, and is taken in again by the next daemon. */
  stop(): void {
    this.#isStopped = true;
    this.#watcher?.close();
    clearInterval(this.#timer);
  }

  /** A folder that was removed and made anew is another one, also where it has the number of the old one. */
  async #watch(): Promise<void> {
    const { path, onFailed } = this.#options;
    const before = this.#watched;
    const folder = await stat(path);
    if (before && isSameEntry(before, folder) && before.birthtimeMs === folder.birthtimeMs) return;
    this.#watcher?.close();
    if (this.#isStopped) return;
    this.#watched = folder;
    try {
      this.#watcher = watch(path, () => this.#scan());
      this.#watcher.on("error", onFailed);
    } catch (error) {
      // As many watches as the system allows are in use: the scan alone is slower, and does.
      onFailed(error);
    }
  }

  /** One scan at a time, and one more for whatever comes meanwhile. */
  #scan(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    this.#working = this.#working.then(async () => {
      this.#isQueued = false;
      try {
        await this.#takeAll();
        this.#failure = undefined;
      } catch (error) {
        if (this.#failure === undefined) this.#options.onFailed(error);
        this.#failure = error;
      }
    });
  }

  async #takeAll(): Promise<void> {
    // Before the look at what is there: what comes later is told.
    if (this.#isSlow) await this.#watch();
    const names = (await readdir(this.#options.path)).sort();
    const isSlow = this.#isSlow;
    this.#isSlow = false;
    if (isSlow) this.#forgetFailures(new Set(names));
    for (const name of names) {
      if (this.#isStopped) return;
      if (this.#failed.has(name) || (this.#stuck.has(name) && !isSlow)) continue;
      try {
        if (!name.startsWith(".")) await this.#take(name);
        else if (isSlow && UNFINISHED.test(name)) await this.#removeAbandoned(name);
      } catch (error) {
        // What has gone meanwhile needs nobody.
        if (systemCode(error) !== "ENOENT") this.#failed.set(name, error);
      }
    }
    const [failure] = this.#failed.values();
    if (failure !== undefined) throw failure;
  }

  #forgetFailures(there: ReadonlySet<string>): void {
    this.#failed.clear();
    for (const name of this.#stuck) if (!there.has(name)) this.#stuck.delete(name);
    for (const name of this.#settled.keys()) if (!there.has(name)) this.#settled.delete(name);
  }

  async #take(name: string): Promise<void> {
    const path = join(this.#options.path, name);
    const file = await this.#open(name, path);
    if (!file) return;
    try {
      const reason = await this.#objection(file);
      if (reason !== undefined) {
        await this.#refuse(name, reason);
        return;
      }
      const before = await file.stat();
      // Emitters rename whole files in. What somebody writes in place is left until it has stopped growing.
      if (before.size === 0 && Date.now() - before.mtimeMs < SCAN_MS) return;
      const settled = this.#settled.get(name);
      const isSettled = settled !== undefined && isSame(settled.file, before);
      const lines = isSettled ? settled.lines : await this.#read(file, before.size);
      if (lines === undefined || (await file.stat()).size !== before.size) return;
      this.#settled.set(name, { file: before, lines });
      await unlink(path);
      this.#settled.delete(name);
      this.#options.onTaken({ lines });
    } finally {
      await file.close();
    }
  }

  /** Undefined for an entry that is refused. Rejects with an error that says nothing of the entry itself. */
  async #open(name: string, path: string): Promise<FileHandle | undefined> {
    try {
      // Never through a link, and never waiting for the other end of a FIFO.
      return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      // Where an entry can be looked at, EACCES means its own mode, not the folder's.
      const entry = await lstat(path);
      if (entry.isFile() && systemCode(error) !== "EACCES") throw error;
      await this.#refuse(name, messageOf(error));
      return undefined;
    }
  }

  async #objection(file: FileHandle): Promise<string | undefined> {
    const [entry, folder] = await Promise.all([file.stat(), stat(this.#options.path)]);
    if (!entry.isFile()) return "it is not a regular file";
    if (entry.nlink !== 1) return `it has ${entry.nlink} names`;
    if (entry.size > this.#options.maxBytes) return `it has ${entry.size} bytes, more than outbox.maxBytes`;
    const isShared = (folder.mode & 0o020) !== 0;
    if (!isShared && entry.uid !== folder.uid) return `it belongs to user ${entry.uid}`;
    return undefined;
  }

  /** Resolves to the number of lines when all of them are settled; to undefined if the outbox was stopped before. */
  async #read(file: FileHandle, size: number): Promise<number | undefined> {
    const { sink, maxLineBytes } = this.#options;
    const framer = new LineFramer({ maxLineBytes, budget: new UnfinishedBudget(2 * maxLineBytes) });
    const emission = new Emission();
    const put = (frames: readonly Frame[]) => {
      for (const frame of frames) {
        emission.lines += frame.kind === "lines" ? linesIn(frame.block) : 1;
        sink.put(emission, entryOf(frame, maxLineBytes));
      }
    };
    // Not beyond the size that was checked: an entry that grows meanwhile is no emission.
    const end = Math.max(0, size - 1);
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: CHUNK_BYTES, end })) {
      if (this.#isStopped) return undefined;
      put(framer.push(chunk));
      while (sink.admission !== "open") await new Promise<void>((resolve) => sink.onAdmission(resolve));
    }
    if (this.#isStopped) return undefined;
    put(framer.end());
    await emission.settled();
    return emission.lines;
  }

  /** Nobody was told that it is safe, and it would count against the folder's bound for ever. */
  async #removeAbandoned(name: string): Promise<void> {
    const path = join(this.#options.path, name);
    const entry = await lstat(path);
    if (entry.isDirectory() || Date.now() - entry.mtimeMs < ABANDONED_MS) return;
    await unlink(path);
    this.#options.onRefused({ name, reason: "it was never finished, and is removed", movedTo: undefined });
  }

  async #refuse(name: string, reason: string): Promise<void> {
    const folder = join(this.#options.path, ASIDE);
    let movedTo: string | undefined = join(folder, `${randomUUID()}-${name}`);
    try {
      await makePrivate(folder);
      await rename(join(this.#options.path, name), movedTo);
      this.#stuck.delete(name);
    } catch {
      if (this.#stuck.has(name)) return;
      this.#stuck.add(name);
      movedTo = undefined;
    }
    this.#options.onRefused({ name, reason, movedTo });
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const message = `the outbox ${path} can't be made: ${messageOf(error)}`;
    throw new PatterndError("outbox_unusable", message, { cause: error });
  }
}

interface Settled {
  readonly file: Stats;
  readonly lines: number;
}

function isSame(one: Stats, other: Stats): boolean {
  return isSameEntry(one, other) && one.size === other.size && one.mtimeMs === other.mtimeMs;
}

function isSameEntry(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

/** In a shared outbox another emitter could have made it, or put a link in its place: then nothing is moved. */
async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const made = await lstat(folder);
  if (!made.isDirectory() || made.uid !== process.getuid?.() || (made.mode & 0o077) !== 0) {
    throw new PatterndError("outbox_unusable", `${folder} is not a private folder of this user`);
  }
}

/** One file's lines on their way through the queue. */
class Emission implements Sender {
  readonly origin = "outbox";
  lines = 0;
  #settled = 0;
  #isDone: (() => void) | undefined;

  settle(_settlement: Settlement): void {
    this.#settled += 1;
  }

  flushed(): void {
    if (this.#settled === this.lines) this.#isDone?.();
  }

  async settled(): Promise<void> {
    if (this.#settled === this.lines) return;
    await new Promise<void>((resolve) => {
      this.#isDone = resolve;
    });
  }
}
