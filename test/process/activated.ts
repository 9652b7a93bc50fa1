/** A daemon whose sockets somebody else holds, before, between and after its lives. */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { onTestFinished } from "vitest";
import type { Home, LogLine, Sockets } from "./daemon.ts";
import { PROGRAM } from "./daemon.ts";

const HOLDER = fileURLToPath(new URL("./holder.py", import.meta.url));
const logLine = v.looseObject({ time: v.string(), level: v.string(), event: v.string() });

export interface ActivationOptions {
  readonly config?: object;
  readonly backlog?: number;
  /** In an order of its own, and with whatever names. */
  readonly names?: readonly string[];
  /** In place of the daemon. */
  readonly program?: readonly string[];
}

export class Activated {
  readonly sockets: Sockets;
  readonly log: LogLine[] = [];
  readonly #holder: ChildProcess;
  readonly #changes = new EventEmitter();
  errors = "";

  constructor(home: Home, { config = {}, backlog = 128, names, program }: ActivationOptions = {}) {
    const at = (name: string) => join(home.runtime, `${name}.sock`);
    this.sockets = { ingest: at("ingest"), query: at("query"), control: at("control") };
    const file = join(home.folder, "activated.json");
    writeFileSync(file, JSON.stringify(config));
    const held = names
      ? names.map((name, index) => `${name}=${at(`other-${index}`)}`)
      : (["control", "ingest", "query"] as const).map((name) => `${name}=${at(name)}`);
    const daemon = program ?? [process.execPath, PROGRAM, "start", "--config", file];
    this.#holder = spawn("python3", [HOLDER, String(backlog), ...held, "--", ...daemon], {
      env: home.env,
      stdio: ["pipe", "pipe", "pipe"],
    });
    onTestFinished(async () => {
      const child = this.#running();
      if (child !== undefined) process.kill(child, "SIGKILL");
      this.#holder.kill("SIGKILL");
      await once(this.#holder, "close");
    });
    this.#changes.setMaxListeners(0);
    this.#holder.stderr?.on("data", (chunk) => {
      this.errors += chunk;
    });
    if (!this.#holder.stdout) throw new Error("expected a pipe");
    createInterface({ input: this.#holder.stdout }).on("line", (line) => {
      this.log.push(v.parse(logLine, JSON.parse(line)));
      this.#changes.emit("change");
    });
  }

  /** As soon as the one before has ended. */
  start(): void {
    this.#holder.stdin?.write("start\n");
  }

  /** The `nth` line of this event, past or to come. */
  async event(name: string, nth = 1): Promise<LogLine> {
    for (;;) {
      const found = this.log.filter(({ event }) => event === name)[nth - 1];
      if (found) return found;
      await once(this.#changes, "change");
    }
  }

  signal(signal: NodeJS.Signals): void {
    const pid = this.#running();
    if (pid !== undefined) process.kill(pid, signal);
  }

  #running(): number | undefined {
    const last = this.log.findLast(({ event }) => event === "holder.started" || event === "holder.ended");
    return last?.event === "holder.started" ? Number(last.pid) : undefined;
  }
}
