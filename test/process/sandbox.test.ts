/** The built threads where the system forbids what they can do without. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { describe, expect, onTestFinished, test } from "vitest";
import { BACKENDS } from "./daemon.ts";

/** Runs a program whose calls of setpriority(2) fail with EPERM, by a seccomp filter; needs no rights. */
const WITHOUT_SETPRIORITY = `
import ctypes, os, platform, sys
class Filter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
setpriority = {"x86_64": 141, "aarch64": 140}[platform.machine()]
load, equals, end = 0x20, 0x15, 0x06
steps = (Filter * 4)(
    Filter(load, 0, 0, 0), Filter(equals, 0, 1, setpriority), Filter(end, 0, 0, 0x00050001), Filter(end, 0, 0, 0x7fff0000)
)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(4, steps)), 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
`;

function inSandbox(...command: string[]) {
  return spawnSync("python3", ["-c", WITHOUT_SETPRIORITY, ...command], { encoding: "utf8" });
}

const reading = v.object({ now: v.number(), uptime: v.number(), boot: v.string() });
const readings = v.tuple([reading, reading]);

const hasSandbox = process.platform === "linux" && inSandbox("true").status === 0;

const ASK = `
const [threads, backend, path] = process.argv.slice(2);
const { openInThreads } = await import(threads);
const options = { path, durability: "os", timezone: "UTC", readOnly: false };
const store = await openInThreads(backend, options, (error) => { throw error; });
const { isMost } = await store.countOlderThan(0n);
const { setPriority } = await import("node:os");
let forbidden = "nothing";
try { setPriority(0, 19); } catch (error) { forbidden = error.info.code; }
console.log(JSON.stringify({ isMost, forbidden }));
await store.close();
`;

/** As `ProcSubset=pid` has it: of /proc only the processes. */
function withProcesses(environment: NodeJS.ProcessEnv, ...command: string[]) {
  const script = 'mount -t proc -o subset=pid proc /proc && exec "$@"';
  return spawnSync("unshare", ["--mount", "--pid", "--fork", "sh", "-c", script, "sh", ...command], {
    encoding: "utf8",
    env: { ...process.env, ...environment },
  });
}

const canHide = withProcesses({}, "true").status === 0;

const READ_CLOCK = `
const [clock] = process.argv.slice(2);
const { systemClock } = await import(clock);
console.log(JSON.stringify([systemClock(), systemClock()]));
`;

describe.skipIf(!canHide)("where the kernel's settings are hidden", () => {
  const clock = fileURLToPath(new URL("../../dist/upkeep/clock.js", import.meta.url));
  const read = (environment: NodeJS.ProcessEnv) => {
    const { stdout, stderr } = withProcesses(
      environment,
      process.execPath,
      "--input-type=module",
      "--eval",
      READ_CLOCK,
      "clock",
      clock,
    );
    expect(stderr).toBe("");
    return v.parse(readings, JSON.parse(stdout));
  };

  test("the start of the machine has the name that the service manager gives, over restarts", () => {
    const [first, second] = [1, 2].map(() => read({ PATTERND_BOOT_ID: "b" }));
    expect([first, second]).toMatchObject([
      [{ boot: "b" }, { boot: "b" }],
      [{ boot: "b" }, { boot: "b" }],
    ]);
    // Where /proc/uptime is hidden, too, it is told in whole seconds.
    expect(second?.[0].uptime).toBeGreaterThanOrEqual(first?.[1].uptime ?? Number.POSITIVE_INFINITY);
  });

  test("without that each process takes it for another one, also one of the same number", () => {
    const [[first, again], [second]] = [read({ PATTERND_BOOT_ID: "" }), read({ PATTERND_BOOT_ID: "" })];
    expect(first.boot).toBe(again.boot);
    expect(first.boot).not.toBe(second.boot);
  });
});

describe.skipIf(!hasSandbox)("where no priority can be set", () => {
  test.each(BACKENDS)("%s: what counts and analyses is as important as the rest", (backend) => {
    const folder = mkdtempSync(join(tmpdir(), "patternd-sandbox-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const threads = fileURLToPath(new URL("../../dist/store/thread.js", import.meta.url));
    const program = join(folder, "ask.mjs");
    writeFileSync(program, ASK);
    const { stdout, stderr } = inSandbox(process.execPath, program, threads, backend, join(folder, "store"));
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({ isMost: false, forbidden: "EPERM" });
  });
});
