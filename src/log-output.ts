/** Where log lines go: standard output, with priorities if that is the journal's, or a file that can be opened anew. */
import { closeSync, fstatSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import pino from "pino";
import { messageOf, PatterndError } from "./errors.ts";

const STDOUT = 1;

/** What the journal takes off the head of a line (sd-daemon(3)), so that `journalctl -p warning` finds it. */
const PRIORITIES = { debug: "<7>", info: "<6>", warn: "<4>", error: "<3>" } as const;

type Destination = ReturnType<typeof pino.destination>;

export class LogOutput {
  level: keyof typeof PRIORITIES = "info";
  #destination: Destination;
  #isJournal: boolean;

  /** @throws PatterndError `log_unusable` */
  constructor(file: string | null) {
    this.#destination = open(file);
    this.#isJournal = file === null && isJournal(process.env.JOURNAL_STREAM);
  }

  write(line: string): void {
    this.#destination.write(this.#isJournal ? PRIORITIES[this.level] + line : line);
  }

  /**
   * Goes on there; a file that was moved away is made anew.
   *
   * @throws PatterndError `log_unusable`: then everything is as it was.
   */
  moveTo(file: string | null): void {
    const before = this.#destination;
    this.#destination = open(file);
    this.#isJournal = file === null && isJournal(process.env.JOURNAL_STREAM);
    before.flushSync();
    if ("file" in before && before.file) before.end();
  }
}

/** Lines are written synchronously: what was logged before a `kill -9` is there. */
function open(file: string | null): Destination {
  if (file !== null) prepare(file);
  const destination = pino.destination({ dest: file ?? STDOUT, sync: true, mode: 0o600 });
  // Nobody may be left to read the log (a closed terminal, a full disk): that must not stop the daemon.
  destination.on("error", () => {});
  return destination;
}

/** pino would try on and on to open a file that can't be there. */
function prepare(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    closeSync(openSync(file, "a", 0o600));
  } catch (cause) {
    throw new PatterndError("log_unusable", `can't write the log ${file}: ${messageOf(cause)}`, { cause });
  }
}

/** The variable names the journal's stream, and is inherited even by those whose output goes elsewhere. */
function isJournal(stream: string | undefined): boolean {
  if (!stream) return false;
  const { dev, ino } = fstatSync(STDOUT, { bigint: true });
  return stream === `${dev}:${ino}`;
}
