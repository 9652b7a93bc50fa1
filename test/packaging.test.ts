/** `npm run package`, as a host takes it: unpacked, without the clone; moved on to another version, and back. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { askAll, lines, send } from "./process/client.ts";
import { difference, NONE, taskLines } from "./process/patterns.ts";

const SCRIPT = fileURLToPath(new URL("../packaging/package.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "patternd-packaging-"));
const current = join(folder, "current");
const env: NodeJS.ProcessEnv = {
  ...process.env,
  HOME: folder,
  XDG_RUNTIME_DIR: folder,
  XDG_STATE_HOME: join(folder, "state"),
  XDG_CONFIG_HOME: join(folder, "config"),
};

beforeAll(() => {
  const archive = execFileSync(process.execPath, [SCRIPT, folder], { encoding: "utf8" }).trim();
  const checked = spawnSync("sha256sum", ["-c", `${archive}.sha256`], { cwd: folder, encoding: "utf8" });
  expect(checked.status).toBe(0);
  for (const version of ["old", "new"]) {
    mkdirSync(join(folder, version));
    execFileSync("tar", ["-xzf", archive, "-C", join(folder, version), "--strip-components=1"]);
  }
  symlinkSync("old", current);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** As `ln -sfn` and a rename do it: the link is always there. */
function moveOn(version: string): void {
  symlinkSync(version, `${current}.next`);
  renameSync(`${current}.next`, current);
}

async function serving<T>(work: (socket: (name: string) => string) => Promise<T>): Promise<T> {
  const daemon = spawn(join(current, "bin", "patternd"), ["start"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => {
    daemon.kill("SIGKILL");
  });
  for (let said = ""; !said.includes("daemon.started"); ) said += String(await once(daemon.stdout, "data"));
  const result = await work((name) => join(folder, "patternd", `${name}.sock`));
  daemon.kill("SIGTERM");
  const [status] = await once(daemon, "close");
  expect(status).toBe(0);
  return result;
}

describe("the tarball", () => {
  test("holds what its checksums say, units and all", () => {
    const checked = spawnSync("sha256sum", ["--quiet", "-c", "SHA256SUMS"], {
      cwd: join(folder, "old"),
      encoding: "utf8",
    });
    expect([checked.stdout, checked.status]).toEqual(["", 0]);
    const sums = readFileSync(join(folder, "old", "SHA256SUMS"), "utf8")
      .split("\n")
      .slice(0, -1);
    const files = readdirSync(join(folder, "old"), { recursive: true, withFileTypes: true });
    expect(sums).toHaveLength(files.filter((entry) => entry.isFile()).length - 1);
    for (const name of [
      "bin/patternd",
      "lib/systemd/system/patternd.service",
      "lib/systemd/sysusers.conf",
      "lib/systemd/tmpfiles.conf",
      "lib/systemd/logrotate.conf",
      "lib/completions/patternd",
      "lib/completions/_patternd",
      "lib/completions/patternd.fish",
      "bin/patternd-emit",
    ]) {
      expect(sums.some((sum) => sum.endsWith(`  ${name}`))).toBe(true);
    }
  });

  test("installs units that start it by the path by which it was called", () => {
    const root = join(folder, "root");
    const said = execFileSync(join(current, "bin", "patternd"), ["install", "--system", "--root", root], {
      env,
      encoding: "utf8",
    });
    expect(said.match(/^written/gm)).toHaveLength(8);
    const [first = ""] = readFileSync(join(current, "lib/dist/patternd.cjs"), "utf8").split("\n");
    const flags = first.replace(/^.* node /, "");
    const [memory = "nothing"] = /MALLOC_\S+/.exec(first) ?? [];
    const unit = readFileSync(join(root, "etc/systemd/system/patternd.service"), "utf8");
    expect(unit).toContain(`ExecStart=${process.execPath} ${flags} ${current}/lib/dist/patternd.cjs start\n`);
    expect(unit).toContain(`Environment=${memory}\n`);
    expect(readFileSync(join(current, "bin", "patternd"), "utf8")).toContain(`export ${memory}\n`);
  });

  test("runs both kinds of store, moves on to another version and back, and keeps every pattern", async () => {
    for (const backend of ["filesystem", "sqlite"]) {
      const config = JSON.stringify({ backend, path: join(folder, `store-${backend}`) });
      env.PATTERND_CONFIG = join(folder, `${backend}.json`);
      writeFileSync(env.PATTERND_CONFIG, config);
      const sent: string[] = [];
      for (const version of ["old", "new", "old"]) {
        moveOn(version);
        await serving(async (socket) => {
          const some = taskLines(50);
          expect((await send(socket("ingest"), [lines(...some)])).receipt.stored).toBe(50);
          sent.push(...some);
          expect(difference(await askAll(socket("query"), 1_000), sent)).toEqual(NONE);
        });
      }
    }
  }, 60_000);
});
