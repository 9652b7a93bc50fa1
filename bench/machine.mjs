import { execFileSync } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * What the figures depend on beside the code, and which code it was.
 *
 * @param {string} folder where the stores are
 */
export function describeMachine(folder) {
  const [disk, filesystem] = lastLine("df", ["--output=source,fstype", folder]).split(/\s+/);
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    node: process.version,
    kernel: `${type()} ${release()}`,
    filesystem: `${filesystem} on ${disk}`,
    commit: commit(),
  };
}

function commit() {
  try {
    const changed = execFileSync("git", ["status", "--porcelain"], { cwd: ROOT, encoding: "utf8" }) !== "";
    return lastLine("git", ["rev-parse", "--short", "HEAD"]) + (changed ? " with changes" : "");
  } catch {
    // An unpacked package is no repository.
    return "unknown";
  }
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 */
function lastLine(program, args) {
  return execFileSync(program, args, { cwd: ROOT, encoding: "utf8" }).trim().split("\n").at(-1) ?? "";
}
