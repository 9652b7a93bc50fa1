/** The built daemon as a child process, in temporary folders of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { onTestFinished } from "vitest";

export const PROGRAM = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
export const BACKENDS = ["filesystem", "sqlite"] as const;
export type BackendKind = (typeof BACKENDS)[number];

const logLine = v.looseObject({
  time: v.pipe(v.string(), v.isoTimestamp()),
  level: v.string(),
  event: v.string(),
});
export type LogLine = v.InferOutput<typeof logLine>;

const started = v.object({ ingest: v.string(), query: v.string(), control: v.string() });
export type Sockets = v.InferOutput<typeof started>;

export interface StartOptions {
  readonly backend: BackendKind;
  /** Further keys of the configuration file. */
  readonly config?: object;
  readonly env?: Readonly<Record<string, string>>;
  /** The state folder is a file system of its own, of this size, that goes with the daemon: `DaemonProcess.inside`. */
  readonly diskBytes?: number;
}

/** Runs "$@" where the folder $0 is a file system of $DISK bytes. */
const ON_A_SMALL_DISK = 'mkdir -p "$0" && mount -t tmpfs -o size="$DISK",mode=700 tmpfs "$0" && exec "$@"';
const OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"] as const;

/** Whether a process may have mounts of its own here. */
export function hasSmallDisks(): boolean {
  const [command, ...options] = OWN_MOUNTS;
  const folder = mkdtempSync(join(tmpdir(), "patternd-disk-"));
  const tried = spawnSync(command, [...options, "sh", "-c", ON_A_SMALL_DISK, folder, "true"], {
    env: { PATH: process.env.PATH ?? "", DISK: "65536" },
  });
  rmSync(folder, { recursive: true });
  return tried.status === 0;
}

/** One user's folders, removed with every daemon that runs in them when the test is over. */
export class Home {
  readonly folder = mkdtempSync(join(tmpdir(), "patternd-"));
  readonly state = join(this.folder, "state", "patternd");
  readonly runtime = join(this.folder, "run", "patternd");
  readonly env = {
    PATH: process.env.PATH ?? "",
    HOME: this.folder,
    XDG_STATE_HOME: join(this.folder, "state"),
    XDG_RUNTIME_DIR: join(this.folder, "run"),
  };
  readonly #daemons: DaemonProcess[] = [];

  constructor() {
    onTestFinished(async () => {
      await Promise.all(this.#daemons.map((daemon) => daemon.stop("SIGKILL")));
      rmSync(this.folder, { recursive: true });
    });
  }

  /** Resolves when the sockets are served; rejects with what the daemon said when it ends before. */
  async start(options: StartOptions): Promise<Daemon> {
    const process = this.launch(options);
    const sockets = v.parse(started, await process.event("daemon.started"));
    return Object.assign(process, { sockets });
  }

  /** For a daemon that is not expected to get as far as `daemon.started`. */
  launch({ backend, config = {}, env = {}, diskBytes }: StartOptions): DaemonProcess {
    mkdirSync(this.folder, { recursive: true });
    const file = join(this.folder, `config-${this.#daemons.length}.json`);
    writeFileSync(file, JSON.stringify({ backend, ...config }));
    const before =
      diskBytes === undefined ? [] : [...OWN_MOUNTS, "sh", "-c", ON_A_SMALL_DISK, dirname(this.state)];
    const daemon = new DaemonProcess(file, { ...this.env, ...env, DISK: String(diskBytes ?? 0) }, before);
    this.#daemons.push(daemon);
    return daemon;
  }
}

export type Daemon = DaemonProcess & { readonly sockets: Sockets };

export class DaemonProcess {
  /** Everything on standard output so far. */
  readonly log: LogLine[] = [];
  /** The exit status, or null if a signal ended it; resolves when all output was read. */
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #changes = new EventEmitter();
  #errors = "";
  #isOver = false;

  /** `before`: a command that replaces itself with the one that follows. */
  constructor(config: string, env: Record<string, string>, before: readonly string[] = []) {
    const [command = "", ...args] = [...before, process.execPath, PROGRAM, "start", "--config", config];
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    this.#changes.setMaxListeners(0);
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.log.push(v.parse(logLine, JSON.parse(line)));
      this.#changes.emit("change");
    });
    child.stderr.on("data", (chunk) => {
      this.#errors += chunk;
    });
    this.exited = once(child, "close").then(() => {
      this.#isOver = true;
      this.#changes.emit("change");
      return child.exitCode;
    });
  }

  /** What it wrote on standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** A path as the daemon sees it, whatever it has mounted. */
  inside(path: string): string {
    return join(`/proc/${this.#child.pid}/root`, path);
  }

  /** The first line of this event that `accepts` takes, past or to come. */
  async event(name: string, accepts: (line: LogLine) => boolean = () => true): Promise<LogLine> {
    for (let seen = 0; ; await once(this.#changes, "change")) {
      for (; seen < this.log.length; seen += 1) {
        const line = this.log[seen];
        if (line?.event === name && accepts(line)) return line;
      }
      if (this.#isOver) throw new Error(`the daemon ended without ${name}: ${this.#said()}`);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves to the exit status, as `exited` does. */
  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.signal(signal);
    return this.exited;
  }

  #said(): string {
    return [...this.log.map((line) => JSON.stringify(line)), this.#errors].join("\n");
  }
}
