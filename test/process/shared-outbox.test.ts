/** A folder that emitters may add to, but not list: it stays bounded by what its disk has left. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SCRIPT, SHELLS, TASK } from "../shell-emitter.ts";
import { Home, hasOwnDisks, PROGRAM } from "./daemon.ts";

/** On a disk of 4 MiB and 1,000 files. In the script, `emit` emits with so many bytes for outbox.maxBytes. */
function onSmallDisk(emitter: readonly string[], script: string): string[] {
  const home = new Home();
  const disk = join(home.folder, "disk");
  mkdirSync(disk);
  const config = join(home.folder, "config");
  for (const maxBytes of [2_000, 1_048_576]) {
    const outbox = { path: join(disk, "outbox"), maxBytes };
    writeFileSync(`${config}-${maxBytes}`, JSON.stringify({ outbox }));
  }
  // Root may list everything as long as it has its capabilities.
  const before = `
    mount -t tmpfs -o size=4m,nr_inodes=1000 tmpfs ${disk} && cd ${disk} && mkdir outbox && chmod 1333 outbox
    emit() {
      file=${config}-$1
      shift
      setpriv --bounding-set=-all --inh-caps=-all "$@" --config $file 2>&1 | grep -o 'can.t be listed\\|is full'
      ls outbox | wc -l
    }
  `;
  const shell = ["sh", "-c", before + script.replaceAll(/emit \d+/g, '$& "$@"'), "sh"];
  const command = ["-Urm", ...shell, ...emitter, ...TASK];
  const { stdout, stderr } = spawnSync("unshare", command, { env: home.env, encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.split("\n").slice(0, -1);
}

/** Busybox takes it for granted that user 0 may read everything. */
const ASKING = SHELLS.filter((shell) => !shell.startsWith("busybox"));
const EMITTERS: readonly (readonly [string, readonly string[], string])[] = [
  ["patternd emit", [process.execPath, PROGRAM, "emit"], "can't be listed"],
  ...ASKING.map((shell) => [`patternd-emit in ${shell}`, [...shell.split(" "), SCRIPT], "is full"] as const),
];

test.skipIf(!hasOwnDisks).each(EMITTERS)(
  "%s leaves a part of the disk free (skipped where there is no unshare)",
  (_, emitter, full) => {
    const bytes = "emit 2000; head -c 4170000 /dev/zero >ballast; emit 2000; rm ballast; emit 2000";
    expect(onSmallDisk(emitter, bytes)).toEqual(["1", full, "1", "2"]);
    const files = "emit 2000; touch $(seq 990); emit 2000; rm [0-9]*; emit 2000";
    expect(onSmallDisk(emitter, files)).toEqual(["1", full, "1", "2"]);
    const less = "head -c 3300000 /dev/zero >ballast; emit 2000; emit 1048576";
    expect(onSmallDisk(emitter, less)).toEqual(["1", full, "1"]);
  },
);
