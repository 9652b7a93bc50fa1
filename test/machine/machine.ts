/** A real systemd in namespaces of its own, which sees this machine's files and keeps none of its changes. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const BOOT = fileURLToPath(new URL("boot.sh", import.meta.url));
const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));
const SYSTEMD = "/lib/systemd/systemd";
const BOOT_MS = 30_000;

export interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function groups(): string | undefined {
  return readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, , kind]) => kind === "cgroup2")?.[1];
}

/** Why there can be none here; undefined if there can. */
export function whyNoMachine(): string | undefined {
  if (process.platform !== "linux" || !existsSync(SYSTEMD)) return "there is no systemd";
  if (process.getuid?.() !== 0) return "only root can boot one";
  const group = groups();
  if (group === undefined) return "there is no cgroup2";
  const tried = spawnSync("unshare", ["-mpfC", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
  return tried.status === 0 ? undefined : "namespaces can't be made";
}

/** Paths of this checkout as the machine has them: a confined service sees neither homes nor temporary folders. */
export function installed(text: string): string {
  return text.replaceAll(CHECKOUT, "/opt/patternd/");
}

export class Machine {
  readonly #group = join(groups() ?? "", `patternd-test-${process.pid}`);
  readonly #shell: ChildProcess;
  #init = 0;

  private constructor() {
    mkdirSync(this.#group);
    const folder = mkdtempSync(join(tmpdir(), "patternd-machine-"));
    const enter = `echo $$ > ${this.#group}/cgroup.procs && exec unshare -m -p -C -u -i -n -f --kill-child=KILL bash ${BOOT} ${folder} ${CHECKOUT}`;
    this.#shell = spawn("bash", ["-c", enter], { stdio: ["ignore", "ignore", "inherit"] });
    this.#shell.once("close", () => rmdirSync(folder));
  }

  static async boot(): Promise<Machine> {
    const machine = new Machine();
    for (const end = Date.now() + BOOT_MS; Date.now() < end; await setTimeout(100)) {
      machine.#init ||= machine.#child();
      const state = machine.#init && machine.run("systemctl", "is-system-running").stdout.trim();
      if (state === "running" || state === "degraded") return machine;
    }
    await machine.end();
    throw new Error("systemd did not come up");
  }

  /** What the machine has at this path, from outside. */
  inside(path: string): string {
    return join(`/proc/${this.#init}/root`, path);
  }

  run(...command: readonly string[]): Said {
    return spawnSync("nsenter", this.#entering(command), { encoding: "utf8" });
  }

  /** @returns standard output, of a command that must succeed. */
  must(...command: readonly string[]): string {
    const { status, stdout, stderr } = this.run(...command);
    if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}: ${stdout}${stderr}`);
    return stdout;
  }

  /** While the tests go on. */
  async mustMeanwhile(...command: readonly string[]): Promise<void> {
    const child = spawn("nsenter", this.#entering(command), { stdio: ["ignore", "ignore", "inherit"] });
    const status = await new Promise((resolve) => child.once("close", resolve));
    if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}`);
  }

  write(path: string, text: string): void {
    mkdirSync(this.inside(join(path, "..")), { recursive: true });
    writeFileSync(this.inside(path), text);
  }

  async end(): Promise<void> {
    const closed = new Promise((resolve) => this.#shell.once("close", resolve));
    this.#shell.kill("SIGKILL");
    await closed;
    for (let tries = 0; tries < 50; tries += 1) {
      try {
        removeGroups(this.#group);
        return;
      } catch {
        await setTimeout(100);
      }
    }
  }

  #child(): number {
    const { pid } = this.#shell;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return Number(children.split(" ")[0] || 0);
  }

  #entering(command: readonly string[]): string[] {
    const env = ["env", "-i", `PATH=${process.env.PATH}`, "HOME=/root"];
    return ["-t", String(this.#init), "-m", "-p", "-C", "-u", "-i", "-n", "--", ...env, ...command];
  }
}

function removeGroups(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroups(join(group, entry.name));
  }
  rmdirSync(group);
}
