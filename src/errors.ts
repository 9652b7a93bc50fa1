/** Where no command says better which help is meant. */
export const USAGE_HINT = "See `patternd --help`.";

/**
 * The one catalogue of what can go wrong with the machinery. Bad patterns are not in here: they are values
 * (see `pattern/rejection.ts`). Every code is listed in docs/errors.md, and a test holds the two together.
 */
const CATALOGUE = {
  activation_unusable: "Give each socket unit one FileDescriptorName=: ingest, query or control.",
  backend_unknown: "Use backend filesystem or sqlite.",
  backup_exists: "Name a path where nothing is yet.",
  backup_failed: "Check space and permissions where the copy goes, and the disk that holds the store.",
  bad_request: "See docs/protocol.md for the parameters of this request.",
  config_invalid: "Correct the named key; `patternd check-config` checks the file without starting anything.",
  config_unreadable: "Check that the file exists and that this user may read it.",
  daemon_stopping: "What was done stays done: ask for the same again once a daemon answers.",
  daemon_unreachable: "Start it with `patternd start`, or name its socket with --socket.",
  file_unreadable: "Check that the file exists and that this user may read it.",
  import_unusable: "Name a file or folder of the Python library, its SQLite file, NDJSON, or JSON.",
  install_failed: "Check that this user may write there and that systemd runs; --dry-run shows each step.",
  internal: "This is a defect of patternd: please report it with the log lines around it.",
  lock_unavailable: "Use a system that fs-native-extensions supports (glibc Linux, macOS).",
  log_unusable: "Check that log.file can be made and that this user may write to it.",
  migration_differs: "Migrate into a new path, or find out what else writes to the two stores.",
  not_found: "Check the spelling of what was asked for.",
  outbox_full: "Start the daemon, which takes the outbox in, or raise outbox.maxBytes.",
  outbox_unusable: "Check the folder (outbox.path): space, owner, permissions.",
  output_unwritable: "Check that the folder exists, has space, and that this user may write to it.",
  rejected_unusable: "Check the folder (rejected.path): space, owner, permissions.",
  socket_in_use: "Another daemon answers on this socket: stop it, or give this one its own socket paths.",
  socket_path_too_long: "A Unix socket's path has at most 107 bytes: configure a shorter one.",
  socket_unusable: "Check that the folder exists and that this user may write to it.",
  spool_locked: "Stop the process that holds the spool, or give this daemon its own queue.spoolPath.",
  spool_unusable: "Check the folder (queue.spoolPath): owner, permissions, disk.",
  sqlite_unavailable:
    "Run `npm rebuild better-sqlite3`, or use backend filesystem, which needs no native code.",
  store_closed: "Open the store again.",
  store_failed:
    "Check the disk (space, permissions, health) that holds the store; `patternd check-store` says whether the store is whole.",
  store_foreign: "Choose another path: patternd does not touch what it did not create.",
  store_locked:
    "Stop the process that holds the store; to read meanwhile, ask the daemon, or open the store with readOnly in a program.",
  store_newer: "Use the version of patternd that wrote this store, or a newer one.",
  store_not_found: "Check the path, or start the daemon once to create the store.",
  store_of_another_user: "Run it as the user whom the store belongs to: `sudo -u USER patternd …`.",
  too_many_analyses: "Ask again later.",
  too_many_followers: "End one of the others (`patternd tail -f`), or ask again later.",
  usage: USAGE_HINT,
} as const;

export type ErrorCode = keyof typeof CATALOGUE;

export const ERROR_CODES: readonly ErrorCode[] = Object.keys(CATALOGUE).filter(isErrorCode);

/** Anything that patternd throws on purpose: a stable code, one line for a person, and what to do about it. */
export class PatterndError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PatterndError";
    this.code = code;
    this.hint = options.hint ?? CATALOGUE[code];
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(CATALOGUE, value);
}

/** What ends because the daemon stops, or its store is closed, has not failed. */
export function isStopping(error: unknown): boolean {
  return (
    error instanceof PatterndError && (error.code === "daemon_stopping" || error.code === "store_closed")
  );
}

/** The system's own code of a failed call (`ENOSPC`, `SQLITE_BUSY`), wherever in the chain of causes it stands. */
export function systemCode(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (!(at instanceof PatterndError) && "code" in at && typeof at.code === "string") return at.code;
  }
  return undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
