/** `patternd install` and `uninstall`: the units of this program, for one user or for the machine. Run again, they change nothing. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf, PatterndError } from "../errors.ts";
import { filesOf, type InstalledFile, type Scope, SERVICE_UNIT, SOCKET_UNITS } from "../service/units.ts";
import { print } from "./terminal.ts";

export interface InstallFlags {
  readonly user: boolean;
  readonly system: boolean;
  readonly dryRun: boolean;
  /** Only files, below this folder; nothing is started or stopped. */
  readonly root?: string | undefined;
}

const SHIPPED = fileURLToPath(new URL("../../systemd", import.meta.url));
/** As the first line of main.ts has them. */
const NODE_FLAGS = ["--max-semi-space-size=1"];
/** What a confined service can't see. */
const HIDDEN = /^\/(home|root|run\/user|tmp|var\/tmp)\//;

export async function install(flags: InstallFlags): Promise<number> {
  const scope = scopeOf(flags);
  const { say, run } = doing(flags);
  for (const { path, text, isConfiguration } of files(scope, flags)) {
    if (existsSync(path) && (isConfiguration || readFileSync(path, "utf8") === text)) {
      await say(`kept     ${path}`);
      continue;
    }
    await say(`written  ${path}`);
    if (!flags.dryRun) write(path, text);
  }
  if (scope === "system") {
    await run(["systemd-sysusers", "patternd.conf"]);
    await run(["systemd-tmpfiles", "--create", "patternd.conf"]);
  }
  await run(systemctl(scope, "daemon-reload"));
  await run(systemctl(scope, "enable", "--now", ...SOCKET_UNITS, SERVICE_UNIT));
  return 0;
}

/** Patterns, configuration, users and groups stay. */
export async function uninstall(flags: InstallFlags): Promise<number> {
  const scope = scopeOf(flags);
  const { say, run } = doing(flags);
  const there = files(scope, flags).filter(({ path }) => existsSync(path));
  if (there.some(({ path }) => path.endsWith(SERVICE_UNIT))) {
    await run(systemctl(scope, "disable", "--now", SERVICE_UNIT, ...SOCKET_UNITS));
  }
  for (const { path, isConfiguration } of there) {
    await say(`${isConfiguration ? "kept    " : "removed "} ${path}`);
    if (!flags.dryRun && !isConfiguration) rmSync(path);
  }
  if (there.length > 0) await run(systemctl(scope, "daemon-reload"));
  return 0;
}

function scopeOf({ user, system }: InstallFlags): Scope {
  if (user === system) throw new PatterndError("usage", "expected either --user or --system");
  return user ? "user" : "system";
}

function files(scope: Scope, { root }: InstallFlags): InstalledFile[] {
  const script = resolve(process.argv[1] ?? "");
  const command = [process.execPath, ...NODE_FLAGS, script];
  const hidden = command.find((path) => HIDDEN.test(path));
  if (scope === "system" && hidden !== undefined && root === undefined) {
    const hint = "Unpack patternd (and Node.js) below /opt or /usr/local, and install it from there.";
    throw new PatterndError("install_failed", `the confined service can't see ${hidden}`, { hint });
  }
  const base = resolve(root ?? "/");
  const own = process.env.XDG_CONFIG_HOME || join(homedir(), ".config");
  const units = scope === "system" ? join(base, "etc/systemd/system") : join(base, own, "systemd/user");
  return filesOf(scope, { units, root: base }, { shipped: SHIPPED, command });
}

function write(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeFileSync(path, text);
    // Readers are others than the writer, whatever its umask: systemd, and emitters that look for the outbox.
    chmodSync(path, 0o644);
  } catch (cause) {
    throw new PatterndError("install_failed", `can't write ${path}: ${messageOf(cause)}`, { cause });
  }
}

function systemctl(scope: Scope, ...words: string[]): string[] {
  return ["systemctl", ...(scope === "user" ? ["--user"] : []), ...words];
}

function doing({ dryRun, root }: InstallFlags) {
  const say = (line: string) => print(`${dryRun ? "would be " : ""}${line}\n`);
  const run = async ([program = "", ...words]: readonly string[]) => {
    if (root !== undefined) return;
    await print(`${dryRun ? "would run" : "running "} ${[program, ...words].join(" ")}\n`);
    if (dryRun) return;
    const { status, error } = spawnSync(program, words, { stdio: ["ignore", "inherit", "inherit"] });
    if (error) throw new PatterndError("install_failed", `can't run ${program}: ${error.message}`);
    if (status !== 0)
      throw new PatterndError("install_failed", `${program} ${words[0]} ended with ${status}`);
  };
  return { say, run };
}
