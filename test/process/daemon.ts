/** The built daemon as a child process, in temporary folders of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { onTestFinished } from "vitest";

export const PROGRAM = fileURLToPath(new URL("../../dist/patternd.cjs", import.meta.url));
export const BACKENDS = ["filesystem", "sqlite"] as const;
export type BackendKind = (typeof BACKENDS)[number];

const logLine = v.looseObject({
  time: v.pipe(v.string(), v.isoTimestamp()),
  level: v.string(),
  event: v.string(),
});
export type LogLine = v.InferOutput<typeof logLine>;

const started = v.object({
  pid: v.number(),
  ingest: v.string(),
  query: v.string(),
  control: v.string(),
});
export type Sockets = Omit<v.InferOutput<typeof started>, "pid">;

export interface StartOptions {
  readonly backend: BackendKind;
  /** Further keys of the configuration file. */
  readonly config?: object;
  readonly env?: Readonly<Record<string, string>>;
  /** How many files it may have open at once; as many as the tests may if not said. */
  readonly openFiles?: number;
  /** The tests' if not said. */
  readonly umask?: string;
  /** A small file system of its own, mounted there for nobody else. */
  readonly disk?: { readonly path: string; readonly bytes: number };
  /** A file system that outlasts it. */
  readonly shared?: SharedDisk;
}

/** Whether a daemon may have a file system of its own here. */
export const hasOwnDisks =
  spawnSync("unshare", ["-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

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
    const { pid, ...sockets } = v.parse(started, await process.event("daemon.started"));
    return Object.assign(process, { pid, sockets });
  }

  /** As the units start it. For a daemon that is not expected to get as far as `daemon.started`. */
  launch({ backend, config = {}, env = {}, openFiles, umask, disk, shared }: StartOptions): DaemonProcess {
    mkdirSync(this.folder, { recursive: true });
    const file = join(this.folder, `config-${this.#daemons.length}.json`);
    writeFileSync(file, JSON.stringify({ backend, ...config }));
    const node = [process.execPath, "--max-semi-space-size=1", PROGRAM, "start", "--config", file];
    const first = [
      ...(openFiles === undefined ? [] : [`ulimit -n ${openFiles}`]),
      ...(umask === undefined ? [] : [`umask ${umask}`]),
      ...(disk ? [`mount -t tmpfs -o size=${disk.bytes} tmpfs "${disk.path}"`] : []),
    ];
    const shell = ["sh", "-c", [...first, 'exec "$@"'].join(" && "), "sh", ...node];
    const mounts = shared?.command ?? (disk ? ["unshare", "-Urm"] : []);
    const command = [...mounts, ...(first.length > 0 ? shell : node)];
    const daemon = new DaemonProcess(command, { MALLOC_MMAP_THRESHOLD_: "262144", ...this.env, ...env });
    this.#daemons.push(daemon);
    return daemon;
  }
}

/** A small file system for several daemons one after the other, and for nobody else; gone when the test is over. */
export class SharedDisk {
  readonly #holder: ChildProcess;
  readonly #path: string;

  private constructor(holder: ChildProcess, path: string) {
    this.#holder = holder;
    this.#path = path;
    onTestFinished(() => {
      holder.kill("SIGKILL");
    });
  }

  static async mount(path: string, bytes: number): Promise<SharedDisk> {
    mkdirSync(path, { recursive: true });
    const script = `mount -t tmpfs -o size=${bytes} tmpfs "${path}" && echo mounted && exec cat`;
    const holder = spawn("unshare", ["-Urm", "sh", "-c", script], { stdio: ["pipe", "pipe", "inherit"] });
    await once(holder.stdout, "data");
    return new SharedDisk(holder, path);
  }

  /** What a program is started with that is to see it. */
  get command(): string[] {
    return ["nsenter", "--preserve-credentials", "-U", "-m", "-t", String(this.#holder.pid)];
  }

  /** Its own path, as everybody sees it. */
  inside(name: string): string {
    return join(`/proc/${this.#holder.pid}/root`, this.#path, name);
  }
}

export type Daemon = DaemonProcess & { readonly pid: number; readonly sockets: Sockets };

export class DaemonProcess {
  /** Everything on standard output so far. */
  readonly log: LogLine[] = [];
  /** The exit status, or null if a signal ended it; resolves when all output was read. */
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #changes = new EventEmitter();
  #errors = "";
  #isOver = false;

  constructor([program = "", ...parameters]: readonly string[], env: Record<string, string>) {
    const child = spawn(program, parameters, {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
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
