import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/**
 * What a measured program sees of this machine's environment: nothing that would change where it keeps things, or
 * how its Node starts (NODE_EXTRA_CA_CERTS alone costs Node 20 about 90 ms).
 */
const ENVIRONMENT = { PATH: process.env.PATH };

/** The programs that the benchmark starts; none of them outlives it. */
export class Children {
  #signal;
  /** @type {Map<import("node:child_process").ChildProcess, Promise<number>>} */
  #running = new Map();

  /** @param {AbortSignal} signal kills what runs, and lets nothing start any more */
  constructor(signal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#kill());
  }

  /**
   * Standard output is the caller's to read; standard error is passed on.
   *
   * @param {readonly string[]} args
   * @param {Readonly<Record<string, string>>} [environment]
   * @param {string} [program] Node, if not said
   * @returns {{ child: import("node:child_process").ChildProcessByStdio<null, import("node:stream").Readable, null>, status: Promise<number> }}
   *   `status`: the exit status, -1 if a signal ended it
   */
  start(args, environment = {}, program = process.execPath) {
    this.#signal.throwIfAborted();
    const child = spawn(program, args, {
      env: { ...ENVIRONMENT, ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    });
    /** @type {Promise<number>} */
    const status = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve(code ?? -1));
    });
    this.#running.set(child, status);
    const forget = () => this.#running.delete(child);
    status.then(forget, forget);
    return { child, status };
  }

  /**
   * Runs a program that answers with JSON on its standard output.
   *
   * @param {string} script
   * @param {readonly string[]} args
   * @returns {Promise<any>}
   */
  async run(script, args) {
    const { child, status } = this.start([script, ...args]);
    const answer = await text(child.stdout);
    const code = await status;
    this.#signal.throwIfAborted();
    if (code !== 0) throw new Error(`${script} ended with status ${code}`);
    return JSON.parse(answer);
  }

  /** Resolves when none of them runs any more. */
  async end() {
    this.#kill();
    await Promise.allSettled(this.#running.values());
  }

  #kill() {
    for (const child of this.#running.keys()) child.kill("SIGKILL");
  }
}
