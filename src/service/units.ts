/** What `patternd install` puts where: the shipped files, with this program's own path in the service. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const SOCKET_UNITS = ["patternd-ingest.socket", "patternd-query.socket", "patternd-control.socket"];
export const SERVICE_UNIT = "patternd.service";

export type Scope = "user" | "system";

export interface InstalledFile {
  readonly path: string;
  readonly text: string;
  /** Somebody may have changed it: it is never replaced, nor removed. */
  readonly isConfiguration: boolean;
}

export interface Program {
  /** The folder of the shipped files. */
  readonly shipped: string;
  /** What runs the program: absolute paths, the script after the interpreter. */
  readonly command: readonly string[];
}

/** `units` is the folder for units; a system's other files are below `root`. */
export function filesOf(
  scope: Scope,
  places: { readonly units: string; readonly root: string },
  program: Program,
): InstalledFile[] {
  const shipped = (name: string) => readFileSync(join(program.shipped, name), "utf8");
  const units = [SERVICE_UNIT, ...SOCKET_UNITS].map((name) => ({
    path: join(places.units, name),
    text: startingWith(program.command, shipped(join(scope, name))),
    isConfiguration: false,
  }));
  if (scope === "user") return units;
  const further = [
    ["sysusers.conf", "etc/sysusers.d/patternd.conf", false],
    ["tmpfiles.conf", "etc/tmpfiles.d/patternd.conf", false],
    ["logrotate.conf", "etc/logrotate.d/patternd", false],
    ["config.json", "etc/patternd/config.json", true],
  ] as const;
  const others = further.map(([name, place, isConfiguration]) => ({
    path: join(places.root, place),
    text: shipped(name),
    isConfiguration,
  }));
  return [...units, ...others];
}

function startingWith(command: readonly string[], unit: string): string {
  return unit.replace(/^ExecStart=.*$/m, () => `ExecStart=${[...command, "start"].map(quoted).join(" ")}`);
}

/** As systemd.service(5) reads a word: `%` and `$` stand for themselves when doubled. */
function quoted(word: string): string {
  const plain = word.replace(/%/g, "%%").replace(/\$/g, "$$$$");
  return /^[\w@%+=:,./-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, "\\$&")}"`;
}
