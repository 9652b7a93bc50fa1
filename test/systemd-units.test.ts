/** The shipped units, by what systemd itself says of them. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { describe, expect, onTestFinished, test } from "vitest";
import { filesOf } from "../src/service/units.ts";

const SHIPPED = fileURLToPath(new URL("../systemd", import.meta.url));
const hasAnalyze = spawnSync("systemd-analyze", ["--version"]).error === undefined;
const HIGHEST_EXPOSURE = 1.2;

/** As `patternd install` writes them, with a program that is there. */
function installed(scope: "user" | "system") {
  const folder = mkdtempSync(join(tmpdir(), "patternd-units-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const program = { shipped: SHIPPED, command: ["/bin/sh", '/opt/a "b" $c%'] };
  const files = filesOf(scope, { units: folder, root: join(folder, "root") }, program);
  const units = files.filter(({ path }) => /\.(service|socket)$/.test(path));
  for (const { path, text } of units) writeFileSync(path, text);
  return { folder, service: join(folder, "patternd.service"), units: units.map(({ path }) => path) };
}

describe.skipIf(!hasAnalyze)(hasAnalyze ? "units" : "units (skipped: there is no systemd-analyze)", () => {
  test.each(["user", "system"] as const)("of a %s hold nothing that systemd does not know", (scope) => {
    const { units } = installed(scope);
    expect(units).toHaveLength(4);
    const { stderr, status } = spawnSync("systemd-analyze", ["verify", `--${scope}`, "--man=no", ...units], {
      encoding: "utf8",
      env: { ...process.env, XDG_RUNTIME_DIR: tmpdir() },
    });
    expect([stderr, status]).toEqual(["", 0]);
  });

  test("of the system expose little, and docs/operations.md explains the rest", () => {
    const { service } = installed("system");
    const security = (...words: string[]) =>
      spawnSync("systemd-analyze", ["security", "--offline=true", "--no-pager", ...words, service], {
        encoding: "utf8",
      }).stdout;
    const overall = Number(/exposure level for patternd\.service: ([\d.]+)/.exec(security())?.[1]);
    expect(overall).toBeLessThanOrEqual(HIGHEST_EXPOSURE);
    const points = v.parse(
      v.array(v.object({ set: v.nullable(v.boolean()), name: v.string(), exposure: v.nullable(v.string()) })),
      JSON.parse(security("--json=short")),
    );
    const page = readFileSync(new URL("../docs/operations.md", import.meta.url), "utf8");
    const open = points
      .filter(({ set, exposure }) => set === false && exposure !== null)
      .map(({ name }) => name);
    expect(open.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

test("a path with blanks and signs is still one word of ExecStart", () => {
  const { service } = installed("user");
  expect(readFileSync(service, "utf8")).toContain('ExecStart=/bin/sh "/opt/a \\"b\\" $$c%%" start\n');
});

test("every shipped file is installed by somebody", () => {
  const shipped = readdirSync(SHIPPED).sort();
  expect(shipped).toEqual([
    "config.json",
    "logrotate.conf",
    "system",
    "sysusers.conf",
    "tmpfiles.conf",
    "user",
  ]);
});
